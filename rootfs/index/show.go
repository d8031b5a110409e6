package index

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/layer"
	"skiff/rootfs/registry"
	"skiff/rootfs/store"
)

// show gives what a registry has under a name, as imagecall.Shown.
func (w *work) show(ctx context.Context, name string) ([]byte, error) {
	at, full, err := w.reach(ctx, name)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	d, err := at.digest()
	if err != nil {
		return nil, err
	}
	out := imagecall.Shown{
		Name: full, MediaType: at.mime, Digest: d.String(), Size: int64(len(at.blob)), Raw: at.blob,
	}
	if w.do.Verbose {
		if out.Configs, err = at.configs(ctx); err != nil {
			return nil, &registry.Failed{Verb: "read", Image: full, Err: err}
		}
	}
	return json.Marshal(out)
}

// configs are the configurations of an image, or of all images of an index, by their
// platforms. What is no image has none.
func (o *opened) configs(ctx context.Context) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	if !manifest.MIMETypeIsMultiImage(o.mime) {
		return out, o.config(ctx, nil, out)
	}
	list, err := store.ParseIndex(o.blob)
	if err != nil {
		return nil, err
	}
	for _, d := range list.Instances() {
		if err := o.config(ctx, &d, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o *opened) config(ctx context.Context, instance *digest.Digest, out map[string]json.RawMessage) error {
	unparsed := image.UnparsedInstance(o, instance)
	blob, mime, err := unparsed.Manifest(ctx)
	if err != nil {
		return err
	}
	if manifest.MIMETypeIsMultiImage(mime) {
		return errors.New("it has an index in an index, which is not supported")
	}
	man, err := manifest.FromBlob(blob, mime)
	if err != nil {
		return err
	}
	if t := man.ConfigInfo().MediaType; t != manifest.DockerV2Schema2ConfigMediaType && t != imgspec.MediaTypeImageConfig {
		return nil
	}
	img, err := image.FromUnparsedImage(ctx, o.sys, unparsed)
	if err != nil {
		return err
	}
	config, err := img.ConfigBlob(ctx)
	if err != nil {
		return err
	}
	var of imgspec.Platform
	if err := json.Unmarshal(config, &of); err != nil {
		return err
	}
	if of.OS == "unknown" {
		return nil // an attestation of BuildKit's
	}
	out[layer.Platform{OS: of.OS, Architecture: of.Architecture, Variant: of.Variant}.String()] = config
	return nil
}
