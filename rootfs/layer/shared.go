package layer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"skiff/state"
	"skiff/state/dirs"
	"skiff/state/jsonfile"
)

// Shared are image stores that belong to somebody else and are only read:
// those of another user, of Podman, or of a file system that several machines
// mount. The records of their images are derived by the image tool and kept
// below the run root, next to a stamp that says from which state of the stores
// they come. storage.conf(5): additionalimagestores.
type Shared struct {
	// Stores are absolute directories; where several have an image the first
	// one's counts.
	Stores []string
	// Renew has the image tool write the records anew. Nil for the image tool
	// itself, which has done so when it opened the store.
	Renew func() error
}

// Dir holds the records of these stores' images, and the file stamp.
func (sh *Shared) Dir(roots dirs.Roots) string {
	sum := sha256.Sum256([]byte(strings.Join(sh.Stores, "\n")))
	return roots.SharedImages(hex.EncodeToString(sum[:8]))
}

// StampFile holds what Stamp said before the records were derived.
func (sh *Shared) StampFile(roots dirs.Roots) string { return filepath.Join(sh.Dir(roots), "stamp") }

// Stamp tells states of the stores apart: their indexes are replaced by rename
// with each change. It opens none of them.
func (sh *Shared) Stamp() (string, error) {
	var b strings.Builder
	for _, store := range sh.Stores {
		if st, err := os.Stat(store); err != nil || !st.IsDir() {
			return "", fmt.Errorf("cannot use the shared image store %q: %w", store, cause(err))
		}
		for _, driver := range []string{"overlay", "vfs"} {
			for _, index := range []string{"images/images.json", "layers/layers.json"} {
				st, err := os.Stat(filepath.Join(store, driver+"-"+index))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					return "", fmt.Errorf("cannot use the shared image store %q: %w", store, cause(err))
				}
				sys, _ := st.Sys().(*syscall.Stat_t)
				fmt.Fprintln(&b, store, driver, index, st.Size(), st.ModTime().UnixNano(), sys.Dev, sys.Ino)
			}
		}
	}
	return b.String(), nil
}

// cause is what is wrong with a path, without the path.
func cause(err error) error {
	var path *fs.PathError
	if err == nil {
		return syscall.ENOTDIR
	}
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// ready renews the records if the stores have changed since they were derived.
func (im Images) ready() error {
	if im.Shared.Renew == nil {
		return nil
	}
	now, err := im.Shared.Stamp()
	if err != nil {
		return err
	}
	if then, err := os.ReadFile(im.Shared.StampFile(im.Roots)); err == nil && string(then) == now {
		return nil
	}
	return im.Shared.Renew()
}

// LoadShared reads the record of a shared store's image: state.ErrNotFound.
func (im Images) LoadShared(id string) (*state.Image, error) {
	var img state.Image
	if im.Shared == nil || !state.IsID(id) {
		return nil, Unknown(id)
	}
	err := jsonfile.Read(filepath.Join(im.Shared.Dir(im.Roots), id+".json"), &img)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (img.Version != state.ImageVersion || img.ID != id || !img.ReadOnly) {
		return nil, fmt.Errorf("image %s: %w", id, state.ErrNotFound)
	}
	return &img, err
}

// sharedIDs lists the shared stores' images; nil where there are no such stores.
func (im Images) sharedIDs() ([]string, error) {
	if im.Shared == nil {
		return nil, nil
	}
	if err := im.ready(); err != nil {
		return nil, err
	}
	return recordIDs(im.Shared.Dir(im.Roots))
}
