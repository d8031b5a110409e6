package vendordevice

import (
	"fmt"
	"slices"
	"strings"

	"tags.cncf.io/container-device-interface/pkg/cdi"
)

// classNote is the annotation by which a description puts devices into a class.
// BuildKit: RUN --device=CLASS.
const classNote = "org.mobyproject.buildkit.device.class"

// Wanted is what RUN --device asks for: a device as vendor.com/class=name; the first of
// a kind, vendor.com/class; all of a kind, vendor.com/class=*; or all of a class that
// descriptions name.
type Wanted struct {
	Name string
	// Required makes it a mistake that there is none.
	Required bool
}

// Find gives the full names of the devices that are wanted, each once, and what of it
// there is none of. dirs are as for Resolve.
func Find(dirs []string, wanted []Wanted) (names, lacking []string, err error) {
	cache, err := open(dirs)
	if err != nil {
		return nil, nil, err
	}
	all := cache.ListDevices()
	slices.Sort(all)
	for _, w := range wanted {
		found := match(cache, all, w.Name)
		switch {
		case len(found) == 0 && w.Required:
			return nil, nil, missing(cache, w.Name)
		case len(found) == 0:
			lacking = append(lacking, w.Name)
		}
		for _, n := range found {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names, lacking, nil
}

func match(cache *cdi.Cache, all []string, name string) (found []string) {
	kind, device, _ := strings.Cut(name, "=")
	for _, n := range all {
		of := strings.HasPrefix(n, kind+"=")
		if n == name || of && (device == "*" || device == "" && len(found) == 0) {
			found = append(found, n)
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, n := range all {
		if inClass(cache, n, name) {
			found = append(found, n)
		}
	}
	return found
}

// inClass reports whether the description of a device puts it into a class: its own
// word goes before that for all of the file.
func inClass(cache *cdi.Cache, name, class string) bool {
	d := cache.GetDevice(name)
	if d == nil {
		return false
	}
	own, ok := d.Annotations[classNote]
	if !ok {
		own = d.GetSpec().Annotations[classNote]
	}
	return own != "" && own == class
}

func open(dirs []string) (*cdi.Cache, error) {
	options := []cdi.Option{cdi.WithAutoRefresh(false)}
	if len(dirs) > 0 {
		options = append(options, cdi.WithSpecDirs(dirs...))
	}
	cache, err := cdi.NewCache(options...)
	if err != nil {
		return nil, fmt.Errorf("cannot read the descriptions of devices: %w", err)
	}
	return cache, nil
}
