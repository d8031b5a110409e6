package libpod

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"skiff/libpod/inspect"
	"skiff/rootfs/layer"
	"skiff/state"
)

// ImageListOptions say which images a list has.
type ImageListOptions struct {
	// All lists intermediate images, too: those without a name that others are
	// built on. Docker: images -a.
	All     bool
	Filters []Filter
	// Containers counts the containers of each image.
	Containers bool
}

// Image is one image of a list, or one that is looked at.
type Image = inspect.Image

// ImageList reads the image records, the newest first.
func (e *Engine) ImageList(opt ImageListOptions) ([]Image, error) {
	records, err := e.Images.List()
	if err != nil {
		return nil, err
	}
	images := relate(records)
	wanted := opt.Containers || slices.ContainsFunc(opt.Filters, func(f Filter) bool { return f.Key == "containers" })
	if wanted {
		if err := e.countContainers(images); err != nil {
			return nil, err
		}
	}
	match, intermediate, err := e.imageFilter(opt.Filters)
	if err != nil {
		return nil, err
	}
	names, err := referenceNames(opt.Filters)
	if err != nil {
		return nil, err
	}
	list := images[:0]
	for _, img := range images {
		if !opt.All && !intermediate && img.Dangling() && img.HasChildren {
			continue
		}
		if !match(img) {
			continue
		}
		img.Shown = img.Names
		if names != nil {
			if chosen := names(img); len(chosen) > 0 {
				img.Shown = chosen
			}
		}
		list = append(list, img)
	}
	return list, nil
}

// relate finds which image was built on which. An image's parent has all of
// its layers but those of the last step, and its history without that step.
func relate(records []*state.Image) []Image {
	type key struct {
		steps int
		top   string
	}
	byTop := map[key][]int{}
	images := make([]Image, len(records))
	for i, r := range records {
		images[i] = Image{Image: r, Containers: -1}
		if n := len(r.DiffIDs); n > 0 {
			k := key{len(r.History), r.DiffIDs[n-1]}
			byTop[k] = append(byTop[k], i)
		}
	}
	for i, r := range records {
		steps, layers := len(r.History), len(r.DiffIDs)
		if steps < 2 {
			continue
		}
		if !r.History[steps-1].EmptyLayer {
			layers--
		}
		if layers < 1 || layers > len(r.DiffIDs) {
			continue
		}
		for _, j := range byTop[key{steps - 1, r.DiffIDs[layers-1]}] {
			p := records[j]
			if slices.Equal(p.DiffIDs, r.DiffIDs[:layers]) && slices.EqualFunc(p.History, r.History[:steps-1], sameStep) {
				images[i].Parent = p.ID
				images[j].HasChildren = true
				break
			}
		}
	}
	markListed(images)
	return images
}

// markListed marks the images that belong to an index here.
func markListed(images []Image) {
	named := map[string]bool{}
	for _, i := range images {
		if i.Index != nil {
			for _, in := range i.Index.Instances {
				named[in.Digest] = true
			}
		}
	}
	if len(named) == 0 {
		return
	}
	for n, i := range images {
		images[n].Listed = named[i.Digest] || slices.ContainsFunc(i.RepoDigests, func(d string) bool {
			_, digest, _ := strings.Cut(d, "@")
			return named[digest]
		})
	}
}

func sameStep(a, b state.ImageHistory) bool {
	return a.Created.Equal(b.Created) && a.CreatedBy == b.CreatedBy && a.EmptyLayer == b.EmptyLayer
}

func (e *Engine) countContainers(images []Image) error {
	containers, err := e.containers()
	if err != nil {
		return err
	}
	used := map[string]int{}
	for _, c := range containers {
		used[c.Config.Image.ID]++
	}
	for i := range images {
		images[i].Containers = used[images[i].ID]
	}
	return nil
}

// ImageInspect finds one image by a name or id that the user typed.
// Of a list that is the image for this machine; the list only where that is not here.
func (e *Engine) ImageInspect(ref string) (Image, error) {
	img, _, err := e.Images.Lookup(ref)
	if err != nil {
		return Image{}, err
	}
	if img.Index != nil {
		if own, err := e.Images.Instance(img, layer.ThisPlatform()); err == nil {
			img = own
		}
	}
	records, err := e.Images.List()
	if err != nil {
		return Image{}, err
	}
	for _, i := range relate(records) {
		if i.ID == img.ID {
			i.Shown = i.Names
			return i, nil
		}
	}
	return Image{Image: img, Containers: -1, Shown: img.Names}, nil
}

// ImageStep is one row of an image's history.
type ImageStep struct {
	state.ImageHistory
	// ID is the image that the step ended with, empty where that is not here.
	ID   string
	Tags []string
	// Size is what the step's layer has in bytes.
	Size int64
}

// ImageHistory gives the steps that made an image, the newest first.
func (e *Engine) ImageHistory(ref string) ([]ImageStep, error) {
	img, _, err := e.Images.LookupImage(ref, layer.ThisPlatform())
	if err != nil {
		return nil, err
	}
	records, err := e.Images.List()
	if err != nil {
		return nil, err
	}
	parents := map[string]Image{}
	for _, i := range relate(records) {
		parents[i.ID] = i
	}
	steps := historySteps(img)
	at, ok := Image{Image: img, Parent: parents[img.ID].Parent}, true
	for i := 0; ok && i < len(steps); i++ {
		steps[i].ID, steps[i].Tags = at.ID, at.Names
		at, ok = parents[at.Parent]
	}
	return steps, nil
}

// historySteps joins the history with the layers' sizes. An image may have
// fewer steps than layers, or none: hand-made ones do.
func historySteps(img *state.Image) []ImageStep {
	steps := make([]ImageStep, 0, max(len(img.History), len(img.LayerSizes)))
	layer := 0
	next := func() (size int64) {
		if layer < len(img.LayerSizes) {
			size = img.LayerSizes[layer]
		}
		layer++
		return size
	}
	for _, h := range img.History {
		step := ImageStep{ImageHistory: h}
		if !h.EmptyLayer {
			step.Size = next()
		}
		steps = append(steps, step)
	}
	for layer < len(img.LayerSizes) {
		steps = append(steps, ImageStep{ImageHistory: state.ImageHistory{Created: img.Created}, Size: next()})
	}
	slices.Reverse(steps)
	return steps
}

// ReclaimedSpace is how many bytes of layers only the removed images had.
func ReclaimedSpace(before, after []*state.Image) int64 {
	kept := map[string]bool{}
	for _, img := range after {
		for i := range img.DiffIDs {
			kept[chain(img, i)] = true
		}
	}
	var sum int64
	for _, img := range before {
		for i := range img.DiffIDs {
			if k := chain(img, i); !kept[k] && i < len(img.LayerSizes) {
				kept[k] = true
				sum += img.LayerSizes[i]
			}
		}
	}
	return sum
}

// chain names a layer together with all below it.
func chain(img *state.Image, i int) string { return fmt.Sprint(img.DiffIDs[:i+1]) }

// byCreation sorts the newest first.
func byCreation(a, b Image) int {
	if n := b.Created.Compare(a.Created); n != 0 {
		return n
	}
	return cmp.Compare(a.ID, b.ID)
}
