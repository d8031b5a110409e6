package transfer

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxParts bounds the map of a sparse file; what comes after it is stored whole.
const maxParts = 4096

// part is a stretch of a file that is not a hole.
type part struct{ at, size int64 }

// dataIn finds the parts of a file that hold data; ok says that there are holes.
func dataIn(fd int, size int64) (parts []part, ok bool) {
	for at := int64(0); at < size; {
		data, err := unix.Seek(fd, at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // only a hole is left
			break
		}
		if err != nil {
			return nil, false
		}
		end := size
		if len(parts) < maxParts {
			if end, err = unix.Seek(fd, data, unix.SEEK_HOLE); err != nil {
				return nil, false
			}
		}
		if end = min(end, size); data >= end {
			break // it has become shorter
		}
		parts = append(parts, part{data, end - data})
		at = end
	}
	return parts, len(parts) != 1 || parts[0] != part{0, size}
}

// sparse packs a file with holes in the PAX format 1.0 of GNU tar, which the
// standard library reads and does not write.
func (p *packer) sparse(f *os.File, h *tar.Header, parts []part) error {
	// The end of the file is named even where there is a hole.
	if len(parts) == 0 || parts[len(parts)-1].at+parts[len(parts)-1].size < h.Size {
		parts = append(parts, part{h.Size, 0})
	}
	var index bytes.Buffer
	fmt.Fprintf(&index, "%d\n", len(parts))
	stored := int64(0)
	for _, s := range parts {
		fmt.Fprintf(&index, "%d\n%d\n", s.at, s.size)
		stored += s.size
	}
	index.Write(make([]byte, padding(int64(index.Len()))))
	stored += int64(index.Len())

	records := map[string]string{
		"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": h.Name,
		"GNU.sparse.realsize": strconv.FormatInt(h.Size, 10),
		"size":                strconv.FormatInt(stored, 10),
		"uid":                 strconv.Itoa(h.Uid), "gid": strconv.Itoa(h.Gid),
		"mtime": fmt.Sprintf("%d.%09d", h.ModTime.Unix(), h.ModTime.Nanosecond()),
	}
	for k, v := range h.PAXRecords {
		records[k] = v
	}
	if err := p.tar.Flush(); err != nil {
		return err
	}
	if err := p.extended(records); err != nil {
		return err
	}
	if _, err := p.out.Write(block(path.Join("GNUSparseFile.0", path.Base(h.Name)), '0', h.Mode, stored)); err != nil {
		return err
	}
	if _, err := p.out.Write(index.Bytes()); err != nil {
		return err
	}
	return p.parts(f, parts, stored)
}

// parts writes the data of a sparse file and fills the last block.
func (p *packer) parts(f *os.File, parts []part, stored int64) error {
	for _, s := range parts {
		if _, err := f.Seek(s.at, io.SeekStart); err != nil {
			return err
		}
		if err := p.copyExactly(p.out, f, s.size); err != nil {
			return err
		}
	}
	_, err := p.out.Write(make([]byte, padding(stored)))
	return err
}

// extended writes a header of PAX records.
func (p *packer) extended(records map[string]string) error {
	keys := make([]string, 0, len(records))
	for k := range records {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var body bytes.Buffer
	for _, k := range keys {
		body.WriteString(record(k, records[k]))
	}
	size := int64(body.Len())
	body.Write(make([]byte, padding(size)))
	if _, err := p.out.Write(block("PaxHeaders.0/sparse", 'x', 0o644, size)); err != nil {
		return err
	}
	_, err := p.out.Write(body.Bytes())
	return err
}

// record is a PAX record, which begins with its own length.
func record(key, value string) string {
	rest := len(key) + len(value) + len(" =\n")
	size := rest + len(strconv.Itoa(rest))
	for size != rest+len(strconv.Itoa(size)) {
		size = rest + len(strconv.Itoa(size))
	}
	return strconv.Itoa(size) + " " + key + "=" + value + "\n"
}

// block is a header of POSIX's ustar format. What does not fit is in the records
// before it.
func block(name string, kind byte, mode, size int64) []byte {
	b := make([]byte, 512)
	copy(b[:100], name)
	octal := func(field []byte, v int64) {
		copy(field, fmt.Sprintf("%0*o", len(field)-1, v&(1<<(3*(len(field)-1))-1)))
	}
	octal(b[100:108], mode)
	octal(b[108:116], 0)
	octal(b[116:124], 0)
	octal(b[124:136], size)
	octal(b[136:148], 0)
	copy(b[148:156], "        ")
	b[156] = kind
	copy(b[257:265], "ustar\x0000")
	sum := int64(0)
	for _, c := range b {
		sum += int64(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// padding is how much of a block is left after n bytes.
func padding(n int64) int64 { return -n & 511 }
