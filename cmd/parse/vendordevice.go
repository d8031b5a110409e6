package parse

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"skiff/state"
)

// isVendorDevice says whether s has the form VENDOR/CLASS=NAME of the Container
// Device Interface (its SPEC.md, "kind" and "name").
func isVendorDevice(s string) bool {
	kind, name, ok := strings.Cut(s, "=")
	vendor, class, slash := strings.Cut(kind, "/")
	return ok && slash && named(vendor, "_-.", true) && named(class, "_-", true) && named(name, "_-.:", false)
}

// named says whether s begins with a letter or, unless letter, a digit, ends with
// either, and has nothing but those and punctuation between.
func named(s, punctuation string, letter bool) bool {
	alpha := func(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
	alnum := func(c byte) bool { return alpha(c) || c >= '0' && c <= '9' }
	if s == "" || !alnum(s[0]) || letter && !alpha(s[0]) || !alnum(s[len(s)-1]) {
		return false
	}
	for i := range len(s) {
		if !alnum(s[i]) && strings.IndexByte(punctuation, s[i]) < 0 {
			return false
		}
	}
	return true
}

// maxGPUs bounds how many devices a count may stand for.
const maxGPUs = 128

// GPUs reads --gpus: all, a number, or fields such as device=0,1 and driver=nvidia.
// They are devices of the class gpu that the driver's vendor describes. features
// are the capabilities that were asked for, of which such a description has none.
func GPUs(s string) (devices []state.Device, features string, err error) {
	var ids []string
	driver := "nvidia"
	key := ""
	for _, field := range strings.Split(strings.Trim(s, `"`), ",") {
		k, v, ok := strings.Cut(field, "=")
		switch {
		case ok:
			key = k
		case key == "device" || key == "capabilities": // a list goes on
			v = field
		default:
			key, v = "count", field
		}
		if err := gpuField(key, v, &ids, &driver, &features); err != nil {
			return nil, "", fmt.Errorf("invalid value %q for --gpus: %w", s, err)
		}
		if !ok && key == "count" {
			key = ""
		}
	}
	for _, id := range ids {
		d := state.Device{Vendor: driver + ".com/gpu=" + id}
		if !isVendorDevice(d.Vendor) {
			return nil, "", fmt.Errorf("invalid value %q for --gpus: %q is no device's name", s, id)
		}
		devices = append(devices, d)
	}
	if len(devices) == 0 {
		return nil, "", fmt.Errorf("invalid value %q for --gpus: want all, a number, or device=ID", s)
	}
	return devices, features, nil
}

func gpuField(key, v string, ids *[]string, driver, features *string) error {
	switch key {
	case "device":
		*ids = append(*ids, v)
	case "count":
		if v == "all" || v == "-1" {
			*ids = append(*ids, "all")
			return nil
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxGPUs {
			return fmt.Errorf("%q is no number of devices", v)
		}
		for i := range n {
			*ids = append(*ids, strconv.Itoa(i))
		}
	case "driver":
		*driver = v
	case "capabilities":
		if v != "gpu" {
			*features = strings.Trim(*features+","+v, ",")
		}
	case "options":
		return errors.New("a description by the vendor has no options")
	default:
		return fmt.Errorf("there is no field %q", key)
	}
	return nil
}
