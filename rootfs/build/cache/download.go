package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"time"

	"skiff/state/jsonfile"
)

// Download is builds/downloads/<key>.json: what a URL had when it was last got.
// rootfs/build/fetch makes it and judges it.
type Download struct {
	Version int    `json:"version"`
	Digest  string `json:"digest"` // of the content
	// ETag and LastModified are what the server called that state.
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"lastModified,omitempty"`
	Created      time.Time `json:"created"`
}

const downloadVersion = 1

// Download gives what is known of a URL; the zero value is nothing.
func (c *Cache) Download(url string) Download {
	var d Download
	path := c.downloadFile(url)
	if err := jsonfile.Read(path, &d); err != nil || d.Version != downloadVersion {
		return Download{}
	}
	touch(path)
	return d
}

// Downloaded keeps what is known of a URL, Version and Created aside. What cannot be
// kept is got again.
func (c *Cache) Downloaded(url string, d Download) error {
	d.Version, d.Created = downloadVersion, time.Now().UTC()
	return jsonfile.Write(c.downloadFile(url), d, jsonfile.Volatile)
}

// downloadFile has a hash in its name: a URL can be long, and have a password in it.
func (c *Cache) downloadFile(url string) string {
	sum := sha256.Sum256([]byte(url))
	return filepath.Join(c.Roots.BuildDownloads(), hex.EncodeToString(sum[:])+".json")
}
