// Package store keeps images and their layers in a containers/storage store,
// and the image records (state.Image) in agreement with it. It is the only
// importer of go.podman.io/storage.
//
// Not here: registries and archives, which write into the store through
// Reference; containers, whose writable layers are no business of the store.
package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/docker/reference"
	transport "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/configfile"
	"go.podman.io/storage/pkg/reexec"
	storagetypes "go.podman.io/storage/types"

	"skiff/rootfs/layer"
	"skiff/state/dirs"
)

// Options say which store to open.
type Options struct {
	Roots dirs.Roots
	// Driver is overlay (also if empty) or vfs. Option --storage-driver.
	Driver string
	// DriverOptions are the driver's, as name=value. Option --storage-opt.
	DriverOptions []string
	// ImageStores are shared image stores, which are only read.
	ImageStores []string
}

// Store is an open store. All methods may be called by one goroutine at a time.
type Store struct {
	roots dirs.Roots
	// images are the own records, all those of the shared stores, too.
	images, all layer.Images
	s           storage.Store
	spool       *spool
	// refused are the images that Sync has turned away, and why.
	refused map[string]error
}

// Reexec must be called first in main: layers are unpacked by a copy of this
// program inside a chroot. If it reports true, that was this process's work,
// and main must return.
func Reexec() bool { return reexec.Init() }

// Open opens the store, making it where needed, and repairs what an earlier
// process left half done.
func Open(o Options) (*Store, error) {
	driver, err := driverName(o.Driver)
	if err == nil {
		driver, err = sameDriver(o.Roots, driver, o.Driver != "")
	}
	if err != nil {
		return nil, err
	}
	images := layer.Images{Roots: o.Roots}
	all := images
	if len(o.ImageStores) > 0 {
		all.Shared = &layer.Shared{Stores: o.ImageStores}
		if _, err := all.Shared.Stamp(); err != nil {
			return nil, err
		}
	}
	for _, dir := range []string{o.Roots.Data, o.Roots.Images(), o.Roots.ImageNames(), o.Roots.ImagePulls(), o.Roots.Spool(), o.Roots.StorageRun()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fmt.Errorf("cannot make the image store: %w", err)
		}
	}
	sp, err := newSpool(o.Roots)
	if err != nil {
		return nil, err
	}
	s, err := storage.GetStore(storagetypes.StoreOptions{
		RunRoot:            o.Roots.StorageRun(),
		GraphRoot:          o.Roots.Storage(),
		GraphDriverName:    driver,
		GraphDriverOptions: driverOptions(driver, o),
	})
	if err != nil {
		sp.remove()
		return nil, fmt.Errorf("cannot open the image store %s: %w", o.Roots.Storage(), err)
	}
	// A layer directory is walked through by containers in user namespaces.
	if err := os.Chmod(o.Roots.Storage(), 0o711); err != nil {
		sp.remove()
		return nil, fmt.Errorf("cannot open the image store: %w", err)
	}
	return &Store{roots: o.Roots, images: images, all: all, s: s, spool: sp}, nil
}

func driverName(given string) (string, error) {
	switch given {
	case "", "overlay", "overlay2":
		return "overlay", nil
	case "vfs":
		return "vfs", nil
	}
	return "", fmt.Errorf("storage driver %q is not supported: use overlay or vfs", given)
}

// sameDriver is the driver that the store was made with, for which nobody has
// to ask again. Another one would not see its images.
func sameDriver(r dirs.Roots, driver string, asked bool) (string, error) {
	for _, made := range []string{"overlay", "vfs"} {
		if _, err := os.Stat(filepath.Join(r.Storage(), made+"-images")); err != nil || made == driver {
			continue
		}
		if asked {
			return "", fmt.Errorf("the image store %s was made with the storage driver %s, not %s: use that, or another --root", r.Storage(), made, driver)
		}
		return made, nil
	}
	return driver, nil
}

// driverOptions adds what the user asked for to what skiff needs: the driver's
// directory must not become a mount on the host, and what the index says is
// stored must have reached the disk.
func driverOptions(driver string, o Options) []string {
	options := []string{}
	if driver == "overlay" {
		options = append(options, "overlay.skip_mount_home=true", "overlay.sync=filesystem")
	}
	for _, dir := range o.ImageStores {
		options = append(options, driver+".imagestore="+dir)
	}
	if os.Getenv("CONTAINERS_STORAGE_CONF") != "" {
		if defaults, err := storagetypes.DefaultStoreOptions(); err == nil {
			for _, o := range defaults.GraphDriverOptions {
				if strings.Contains(o, "ignore_chown_errors=") {
					options = append(options, o)
				}
			}
		}
	}
	for _, o := range o.DriverOptions {
		if key, _, _ := strings.Cut(o, "="); key != "" && !strings.HasSuffix(key, "imagestore") {
			options = append(options, o)
		}
	}
	return options
}

// Close ends the use of the store and removes its temporary files.
func (s *Store) Close() {
	s.s.Free()
	s.spool.remove()
}

// Images reads the records, those of the shared stores among them.
func (s *Store) Images() layer.Images { return s.all }

// Roots are the roots the store was opened with.
func (s *Store) Roots() dirs.Roots { return s.roots }

// SpoolDir is a directory for temporary files, removed by Close, or by the next
// process that opens the store.
func (s *Store) SpoolDir() string { return s.spool.dir }

// Reference is where the registry stack writes an image that is to have this
// full name; "" makes an image without a name.
func (s *Store) Reference(full string) (types.ImageReference, error) {
	if full == "" {
		return nil, errors.New("an image needs a name or an id")
	}
	named, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return nil, fmt.Errorf("invalid reference %q: %w", full, err)
	}
	return transport.Transport.NewStoreReference(s.s, reference.TagNameOnly(named), "")
}

// ReferenceByID is an image's place in the store by its full id.
func (s *Store) ReferenceByID(id string) (types.ImageReference, error) {
	return transport.Transport.NewStoreReference(s.s, nil, id)
}

// ID gives the id of the image that a reference made by this store, or reported
// by the registry stack, stands for.
func (s *Store) ID(_ context.Context, ref types.ImageReference) (string, error) {
	_, img, err := transport.ResolveReference(ref)
	if err != nil {
		return "", err
	}
	return img.ID, nil
}

// Known gives the ids of the images that have a record.
func (s *Store) Known() map[string]bool {
	known := map[string]bool{}
	images, _ := s.images.List()
	for _, img := range images {
		known[img.ID] = true
	}
	return known
}

// NoConfigFile reports whether an error of the registry stack means that there
// is none of the files that it looked for.
func NoConfigFile(err error) bool {
	return errors.Is(err, configfile.ErrConfigFileNotFound) || errors.Is(err, os.ErrNotExist)
}
