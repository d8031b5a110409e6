package registry

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
}

type manifest struct {
	Config    descriptor   `json:"config"`
	Layers    []descriptor `json:"layers"`
	Manifests []descriptor `json:"manifests"`
}

// PushArchive puts the image of an OCI archive into the registry as name:tag.
func (s *Server) PushArchive(archive, name, tag string) error {
	files, err := readTar(archive)
	if err != nil {
		return fmt.Errorf("cannot push %s: %w", archive, err)
	}
	var index, m manifest
	if err := json.Unmarshal(files["index.json"], &index); err != nil || len(index.Manifests) != 1 {
		return fmt.Errorf("cannot push %s: it must hold one image (%v)", archive, err)
	}
	top := index.Manifests[0]
	if err := json.Unmarshal(files[blob(top.Digest)], &m); err != nil {
		return fmt.Errorf("cannot push %s: %w", archive, err)
	}
	for _, d := range append([]descriptor{m.Config}, m.Layers...) {
		if err := s.upload(name, d.Digest, files[blob(d.Digest)]); err != nil {
			return fmt.Errorf("cannot push %s: %w", archive, err)
		}
	}
	return s.putManifest(name, tag, top.MediaType, files[blob(top.Digest)])
}

func (s *Server) putManifest(name, tag, mediaType string, data []byte) error {
	return s.want(http.StatusCreated, http.MethodPut, "/v2/"+name+"/manifests/"+tag, mediaType, data)
}

func (s *Server) upload(name, digest string, data []byte) error {
	resp, err := s.do(http.MethodPost, "/v2/"+name+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("upload to %s: %s", name, resp.Status)
	}
	at, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		return err
	}
	q := at.Query()
	q.Set("digest", digest)
	return s.want(http.StatusCreated, http.MethodPut, at.Path+"?"+q.Encode(), "application/octet-stream", data)
}

func (s *Server) want(status int, method, path, contentType string, data []byte) error {
	resp, err := s.do(method, path, contentType, data)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return nil
}

func (s *Server) do(method, path, contentType string, data []byte) (*http.Response, error) {
	req, err := http.NewRequest(method, s.url(path), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if s.o.User != "" {
		req.SetBasicAuth(s.o.User, s.o.Password)
	}
	return s.client.Do(req)
}

func blob(digest string) string { return "blobs/" + strings.Replace(digest, ":", "/", 1) }

func readTar(path string) (map[string][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files := map[string][]byte{}
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if files[strings.TrimPrefix(h.Name, "./")], err = io.ReadAll(tr); err != nil {
			return nil, err
		}
	}
}
