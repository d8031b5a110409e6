package cache

import (
	"path/filepath"
	"time"

	"skiff/state/jsonfile"
)

// result is builds/results/<key>.json.
type result struct {
	Version int       `json:"version"`
	Image   string    `json:"image"` // its id
	Created time.Time `json:"created"`
}

const resultVersion = 1

// Result gives the image that a build with this key has made. The store may not
// have it any more.
func (c *Cache) Result(key string) (imageID string, ok bool) {
	if !isKey(key) {
		return "", false
	}
	var r result
	path := c.resultFile(key)
	if err := jsonfile.Read(path, &r); err != nil || r.Version != resultVersion || !isKey(r.Image) {
		return "", false
	}
	touch(path)
	return r.Image, true
}

// Remember keeps which image a build with this key has made. One that cannot be
// kept is made again.
func (c *Cache) Remember(key, imageID string) error {
	if !isKey(key) {
		return nil
	}
	r := result{Version: resultVersion, Image: imageID, Created: time.Now().UTC()}
	return jsonfile.Write(c.resultFile(key), r, jsonfile.Volatile)
}

func (c *Cache) resultFile(key string) string {
	return filepath.Join(c.Roots.BuildResults(), key+".json")
}
