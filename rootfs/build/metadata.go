package build

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"skiff/rootfs/build/output"
	"skiff/rootfs/imagecall"
)

// writeMetadata writes --metadata-file with the words that buildx has for what
// was built.
func (b *Builder) writeMetadata(res imagecall.Result) error {
	if b.opt.MetadataFile == "" {
		return nil
	}
	m := map[string]any{}
	if len(res.Images) > 0 {
		img := res.Images[len(res.Images)-1]
		m["containerimage.config.digest"] = "sha256:" + img.ID
		// Of an image that was pushed the registry's digest counts: its layers are compressed.
		if d := cmp.Or(b.pushed, img.Digest); d != "" {
			m["containerimage.digest"] = d
		}
	}
	var names []string
	for _, p := range b.opt.Outputs {
		if !output.NeedsImage(p) {
			continue
		}
		list, err := output.Names(p, b.names)
		if err != nil {
			return err
		}
		names = append(names, slices.DeleteFunc(slices.Clone(list), func(n string) bool { return slices.Contains(names, n) })...)
	}
	if len(names) > 0 {
		m["image.name"] = strings.Join(names, ",")
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = os.WriteFile(b.opt.MetadataFile, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("cannot write the metadata: %w", err)
	}
	return nil
}
