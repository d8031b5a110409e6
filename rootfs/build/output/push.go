package output

import (
	"context"
	"errors"
	"fmt"

	"skiff/rootfs/imagecall"
	"skiff/rootfs/registry"
)

// push sends the image, or the index of several, to the registries that its names
// say, if that is asked for. Type registry always is.
func push(ctx context.Context, s *registry.Session, p imagecall.Place, r Result) ([]imagecall.Image, error) {
	wanted, err := flag(p, "push", p.Type == Registry)
	if err != nil || !wanted {
		return nil, err
	}
	list, err := names(p, r.Names)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("cannot push the image: it has no name: use --tag or name=NAME")
	}
	out, err := session(s, p)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	var sent []imagecall.Image
	for _, name := range list {
		img, err := pushOne(ctx, out, r, name)
		if err != nil {
			return sent, err
		}
		sent = append(sent, *img)
	}
	return sent, nil
}

func pushOne(ctx context.Context, s *registry.Session, r Result, name string) (*imagecall.Image, error) {
	if r.Index != "" {
		if r.PushIndex == nil {
			return nil, fmt.Errorf("cannot push %s: it has several platforms", name)
		}
		return r.PushIndex(ctx, s, r.Index, name)
	}
	pushed, err := s.Push(ctx, r.Images[0].ID, name)
	if err != nil {
		return nil, err
	}
	return &pushed[0], nil
}

// session is one that pushes as an output asks for.
func session(s *registry.Session, p imagecall.Place) (*registry.Session, error) {
	req := *s.Req
	req.AllTags, req.DigestFile, req.Platform = false, "", ""
	req.CompressionFormat = p.Attrs["compression"]
	var err error
	if req.CompressionLevel, err = level(p); err != nil {
		return nil, err
	}
	req.ManifestFormat = Format(p)
	insecure, err := flag(p, "registry.insecure", false)
	if err != nil {
		return nil, err
	}
	if insecure {
		verify := false
		req.TLSVerify = &verify
	}
	force, err := flag(p, "force-compression", true)
	if err != nil {
		return nil, err
	}
	byDigest, err := flag(p, byDigestWord, false)
	if err != nil {
		return nil, err
	}
	out, err := registry.NewSession(&req, s.Store, s.Report)
	if err == nil {
		out.KeepCompressed, out.ByDigest = !force, byDigest
	}
	return out, err
}
