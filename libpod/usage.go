package libpod

import (
	"strings"

	"skiff/rootfs/build/cache"
)

// DiskUsage is what skiff keeps on disk, in bytes.
type DiskUsage struct {
	Images     []ImageUsage
	Containers []Container // with their sizes
	Volumes    []VolumeUsage
	Build      []cache.Entry // what builds keep
	// LayersSize is that of all images, a layer that several share counted once.
	LayersSize int64
	// CopiesSize is that of the copies of layers for user namespaces, CopiesFree
	// that of those which no container needs.
	CopiesSize, CopiesFree int64
}

// ImageUsage is an image's part of it. Shared is the size of the layers that
// another image has as well, Unique that of the rest.
type ImageUsage struct {
	Image
	Shared, Unique int64
}

// VolumeUsage is a volume's part of it.
type VolumeUsage struct {
	Volume
	Size int64
}

// Total is one row of the summary.
type Total struct {
	Type              string
	Count, Active     int
	Size, Reclaimable int64
}

// DiskUsage measures images, containers, volumes and what builds keep, which goes
// through all of the files of the last three.
func (e *Engine) DiskUsage() (DiskUsage, error) {
	var u DiskUsage
	images, err := e.ImageList(ImageListOptions{All: true, Containers: true})
	if err != nil {
		return u, err
	}
	u.Images, u.LayersSize = shares(images)
	if u.CopiesSize, u.CopiesFree, err = e.shiftedUse(); err != nil {
		return u, err
	}
	if u.Containers, err = e.ContainerList(ListOptions{All: true, Size: true}); err != nil {
		return u, err
	}
	volumes, err := e.VolumeList(nil)
	if err != nil {
		return u, err
	}
	for _, v := range volumes {
		size, err := treeSize(v.Mountpoint)
		if err != nil {
			return u, err
		}
		u.Volumes = append(u.Volumes, VolumeUsage{v, size})
	}
	u.Build, err = e.BuildCache()
	return u, err
}

// shares finds which layers the images have in common.
func shares(images []Image) (list []ImageUsage, all int64) {
	owners := map[string]int{}
	for _, img := range images {
		for i := range img.DiffIDs {
			owners[chain(img.Image, i)]++
		}
	}
	seen := map[string]bool{}
	for _, img := range images {
		u := ImageUsage{Image: img}
		for i := range img.DiffIDs {
			if i >= len(img.LayerSizes) {
				break
			}
			key, size := chain(img.Image, i), img.LayerSizes[i]
			if owners[key] > 1 {
				u.Shared += size
			} else {
				u.Unique += size
			}
			if !seen[key] {
				seen[key] = true
				all += size
			}
		}
		list = append(list, u)
	}
	return list, all
}

// Totals sums it up as Docker does: what images without containers share with
// others counts as reclaimable, too.
func (u DiskUsage) Totals() []Total {
	images := Total{Type: "Images", Count: len(u.Images), Size: u.LayersSize, Reclaimable: u.LayersSize}
	for _, i := range u.Images {
		if i.Containers > 0 {
			images.Active++
			images.Reclaimable -= i.Unique
		}
	}
	images.Size += u.CopiesSize
	images.Reclaimable += u.CopiesFree
	containers := Total{Type: "Containers", Count: len(u.Containers)}
	for _, c := range u.Containers {
		containers.Size += *c.SizeRw
		if c.Status.Phase.Active() {
			containers.Active++
		} else {
			containers.Reclaimable += *c.SizeRw
		}
	}
	volumes := Total{Type: "Local Volumes", Count: len(u.Volumes)}
	for _, v := range u.Volumes {
		volumes.Size += v.Size
		if v.Users > 0 {
			volumes.Active++
		} else {
			volumes.Reclaimable += v.Size
		}
	}
	return []Total{images, containers, volumes, u.buildTotal()}
}

// Repository takes an image's name apart; a name without tag, or none, has
// <none> in its place.
func Repository(name string) (repo, tag string) {
	i := strings.LastIndexByte(name, ':')
	switch {
	case name == "":
		return "<none>", "<none>"
	case i <= strings.LastIndexByte(name, '/'):
		return name, "<none>"
	}
	return name[:i], name[i+1:]
}
