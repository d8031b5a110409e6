package parse

import (
	"encoding/csv"
	"fmt"
	"strings"
)

// VolumeSpec reads from a --mount value that MountSpec took the labels and the
// driver's options of the volume, for the case that it has to be made. Both are nil
// where there are none. Docker: volume-label=KEY=VALUE, volume-opt=KEY=VALUE.
func VolumeSpec(s string) (labels, options map[string]string, err error) {
	fields, err := csv.NewReader(strings.NewReader(s)).Read()
	if err != nil {
		return nil, nil, fmt.Errorf("invalid mount %q: %w", s, err)
	}
	for _, f := range fields {
		k, v, _ := strings.Cut(f, "=")
		dst := &labels
		switch strings.ToLower(strings.TrimSpace(k)) {
		case "volume-opt":
			dst = &options
		case "volume-label":
		default:
			continue
		}
		key, value, has := strings.Cut(v, "=")
		if key == "" || !has && dst == &options {
			return nil, nil, fmt.Errorf("invalid mount %q: %s is %q: want KEY=VALUE", s, k, v)
		}
		if *dst == nil {
			*dst = map[string]string{}
		}
		(*dst)[key] = value
	}
	return labels, options, nil
}
