package build

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

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
		if img.Digest != "" {
			m["containerimage.digest"] = img.Digest
		}
	}
	if len(b.names) > 0 {
		m["image.name"] = strings.Join(b.names, ",")
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
