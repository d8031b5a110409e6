package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

const storageName = "storage.conf"

// ImageStores gives the shared image stores, in order: those of the options
// --storage-opt if there are any, else those of STORAGE_OPTS, else those of
// storage.conf(5), table storage.options, key additionalimagestores. own is the
// store that skiff writes to, which is not shared.
func (src Source) ImageStores(options []string, own string) ([]string, error) {
	if env, ok := src.Lookup("STORAGE_OPTS"); ok && len(options) == 0 {
		options = strings.Split(env, ",")
	}
	stores := optionStores(options)
	if len(options) == 0 {
		var err error
		if stores, err = src.configuredStores(); err != nil {
			return nil, err
		}
	}
	var out []string
	seen := map[string]bool{own: true}
	for _, s := range stores {
		if !filepath.IsAbs(s) {
			return nil, fmt.Errorf("cannot use the shared image store %q: want an absolute path", s)
		}
		if s = filepath.Clean(s); !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out, nil
}

// optionStores are the values of [DRIVER.]imagestore and additionalimagestore.
func optionStores(options []string) []string {
	var out []string
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		key = strings.ToLower(key[strings.LastIndexByte(key, '.')+1:])
		if key != "imagestore" && key != "additionalimagestore" {
			continue
		}
		for store := range strings.SplitSeq(value, ",") {
			if store != "" {
				out = append(out, store)
			}
		}
	}
	return out
}

// configuredStores reads storage.conf as far as that names shared stores, which
// few do: no other file is parsed.
func (src Source) configuredStores() ([]string, error) {
	var stores []string
	for _, f := range src.storageFiles() {
		data, err := readBounded(f.path)
		if errors.Is(err, fs.ErrNotExist) && !f.must || errors.Is(err, fs.ErrPermission) && !f.must {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the configuration file: %w", err)
		}
		text := withoutComments(string(data))
		if !strings.Contains(text, "additionalimagestores") {
			continue
		}
		var doc struct {
			Storage struct {
				Options struct {
					Stores *[]string `toml:"additionalimagestores"`
				} `toml:"options"`
			} `toml:"storage"`
		}
		if _, err := toml.Decode(text, &doc); err != nil {
			return nil, fmt.Errorf("cannot read the configuration file %s: %w", f.path, firstLine(err))
		}
		if doc.Storage.Options.Stores != nil {
			stores = *doc.Storage.Options.Stores
		}
	}
	return stores, nil
}

// storageFiles lists the files that count, the one that overrides all others
// last. Of the main files only one does.
func (src Source) storageFiles() []file {
	if path, ok := src.Lookup("CONTAINERS_STORAGE_CONF"); ok && path != "" {
		return []file{{path, true}}
	}
	places := []string{filepath.Join(src.Root, "/usr/share/containers"), filepath.Join(src.Root, "/etc/containers")}
	if home := src.configHome(); src.UID != 0 && home != "" {
		places = append(places, filepath.Join(home, "containers"))
	}
	var main []file
	var more []file
	for _, dir := range places {
		path := filepath.Join(dir, storageName)
		if exists(path) {
			main = []file{{path, false}}
		}
		more = append(more, dropIns(path)...)
	}
	return append(main, more...)
}
