package source

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"
)

// The file of a Digests (docs/state-format.md): a header, then records of equal
// length, sorted by device and inode, of which each file has one. It is searched
// as it is, so that reading it costs the same for one file and for many.
const (
	tableMagic = "skiffdg1"
	// headerLen is that of the magic, a CRC-32C of the records, and their number.
	headerLen = 16
	// recordLen is that of five numbers (identity), the sum, and the day of last use.
	recordLen = 5*8 + 32 + 4
	sumAt     = 5 * 8
	dayAt     = sumAt + 32
	// maxRecords bounds a file (76 MB); the longest unused go first.
	maxRecords = 1 << 20
	// maxTables bounds the contexts that are remembered, and tableAge how long.
	maxTables = 512
	tableAge  = 60 * day
)

// table are the records of a file.
type table []byte

func (t table) len() int { return len(t) / recordLen }

func (t table) record(i int) []byte { return t[i*recordLen : (i+1)*recordLen] }

func (t table) sum(i int) sum { return sum(t.record(i)[sumAt:dayAt]) }

func (t table) day(i int) uint32 { return binary.LittleEndian.Uint32(t.record(i)[dayAt:]) }

func (t table) file(i int) fileID {
	r := t.record(i)
	return fileID{binary.LittleEndian.Uint64(r), binary.LittleEndian.Uint64(r[8:])}
}

func (t table) identity(i int) identity {
	r := t.record(i)
	n := func(at int) uint64 { return binary.LittleEndian.Uint64(r[at*8:]) }
	return identity{t.file(i), n(2), n(3), n(4)}
}

func (a fileID) compare(b fileID) int {
	switch {
	case a.dev != b.dev && a.dev < b.dev, a.dev == b.dev && a.ino < b.ino:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// at finds the record of a file.
func (t table) at(f fileID) (int, bool) {
	return sort.Find(t.len(), func(i int) int { return f.compare(t.file(i)) })
}

// find finds the record of a file in the very state.
func (t table) find(id identity) (int, bool) {
	i, ok := t.at(id.fileID)
	return i, ok && t.identity(i) == id
}

func record(id identity, s sum, used uint32) []byte {
	out := make([]byte, 0, recordLen)
	for _, n := range []uint64{id.dev, id.ino, id.size, id.mtime, id.ctime} {
		out = binary.LittleEndian.AppendUint64(out, n)
	}
	out = append(out, s[:]...)
	return binary.LittleEndian.AppendUint32(out, used)
}

// readTable reads a file. One that is missing or damaged is empty.
func readTable(path string) table {
	st, err := os.Stat(path)
	if err != nil || st.Size() > headerLen+maxRecords*recordLen {
		return nil
	}
	all, err := os.ReadFile(path)
	if err != nil || len(all) < headerLen || string(all[:8]) != tableMagic {
		return nil
	}
	sum, n := binary.LittleEndian.Uint32(all[8:]), binary.LittleEndian.Uint32(all[12:])
	records := all[headerLen:]
	if len(records) != int(n)*recordLen || crc32.Checksum(records, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return nil
	}
	if time.Since(st.ModTime()) > day {
		now := time.Now()
		os.Chtimes(path, now, now) // it is in use, see prune
	}
	return records
}

// merge gives the records to write: those that are known, those of this build,
// and those that another build has written meanwhile.
func (d *Digests) merge(theirs table) [][]byte {
	today := d.today()
	all := map[fileID][]byte{}
	add := func(t table, used func(i int) bool) {
		for i := range t.len() {
			r := bytes.Clone(t.record(i))
			if used(i) {
				binary.LittleEndian.PutUint32(r[dayAt:], today)
			}
			if last := binary.LittleEndian.Uint32(r[dayAt:]); last+dropped > today {
				all[t.file(i)] = r
			}
		}
	}
	add(d.table, func(i int) bool { return d.used[i] })
	add(theirs, func(i int) bool {
		mine, ok := d.table.find(theirs.identity(i))
		return ok && d.used[mine]
	})
	for id, m := range d.fresh {
		select {
		case <-m.done:
			if m.err == nil && !m.recent {
				all[id] = record(m.id, m.sum, today)
			}
		default:
		}
	}
	out := make([][]byte, 0, len(all))
	for _, r := range all {
		out = append(out, r)
	}
	if len(out) > maxRecords {
		slices.SortFunc(out, func(a, b []byte) int { return bytes.Compare(b[dayAt:], a[dayAt:]) })
		out = out[:maxRecords]
	}
	slices.SortFunc(out, func(a, b []byte) int {
		return table(a).file(0).compare(table(b).file(0))
	})
	return out
}

// writeTable replaces a file, and removes those of contexts that nobody builds
// any more.
func writeTable(path string, records [][]byte) error {
	all := make([]byte, headerLen, headerLen+len(records)*recordLen)
	for _, r := range records {
		all = append(all, r...)
	}
	copy(all, tableMagic)
	binary.LittleEndian.PutUint32(all[8:], crc32.Checksum(all[headerLen:], crc32.MakeTable(crc32.Castagnoli)))
	binary.LittleEndian.PutUint32(all[12:], uint32(len(records)))
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(all)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	prune(filepath.Dir(path))
	return nil
}

// prune removes the files that were used the longest ago, and what writers left
// that died.
func prune(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	type file struct {
		path string
		used time.Time
	}
	var files []file
	for _, e := range entries {
		if st, err := e.Info(); err == nil && st.Mode().IsRegular() {
			limit := tableAge
			if e.Name()[0] == '.' {
				limit = day
			}
			f := file{filepath.Join(dir, e.Name()), st.ModTime()}
			if time.Since(f.used) > limit {
				os.Remove(f.path)
			} else {
				files = append(files, f)
			}
		}
	}
	slices.SortFunc(files, func(a, b file) int { return b.used.Compare(a.used) })
	for _, f := range files[min(len(files), maxTables):] {
		os.Remove(f.path)
	}
}
