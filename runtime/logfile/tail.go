package logfile

import (
	"bytes"
	"io"
	"os"
)

// tailBlock is how much of a file is read at a time from its end.
const tailBlock = 64 << 10

// seekTail moves files (oldest first) so that reading on from them gives the
// last n lines, and drops those that are not needed. A line in parts is one
// line.
func seekTail(files []*os.File, n int, d decoder) ([]*os.File, error) {
	count := 0
	for i := len(files) - 1; i >= 0; i-- {
		start := int64(-1)
		err := backward(files[i], func(off int64, line []byte) bool {
			e, ok := d(line)
			if !ok {
				return true
			}
			if !e.Partial || count == 0 {
				count++
			}
			if count > n {
				start = off + int64(len(line)) + 1
				return false
			}
			return true
		})
		if err != nil {
			return files, err
		}
		if start < 0 {
			continue
		}
		if _, err := files[i].Seek(start, io.SeekStart); err != nil {
			return files, err
		}
		closeAll(files[:i])
		return files[i:], nil
	}
	return files, nil
}

// backward calls visit for each whole line of the file from the last to the
// first, until it returns false.
func backward(f *os.File, visit func(off int64, line []byte) bool) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	pos := st.Size()
	var data []byte // of the file from pos on, up to the begin of the last line visited
	ended := false  // a newline follows data
	for pos > 0 {
		n := min(pos, tailBlock)
		pos -= n
		block := make([]byte, n, n+int64(len(data)))
		if _, err := f.ReadAt(block, pos); err != nil {
			return err
		}
		data = append(block, data...)
		for {
			i := bytes.LastIndexByte(data, '\n')
			if i < 0 {
				break
			}
			if ended && !visit(pos+int64(i)+1, data[i+1:]) {
				return nil
			}
			data, ended = data[:i], true
		}
		if len(data) > maxFileRecord {
			data = nil // not a record of ours
		}
	}
	if ended {
		visit(0, data)
	}
	return nil
}
