package settings

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"skiff/rootfs/imagecall"
)

// buildCacheSetters are those of the table [build_cache]. Its words are those of
// BuildKit's configuration, as containers.conf(5) writes words.
func buildCacheSetters(p *imagecall.CachePolicy, syn Syntax) map[string]setter {
	return map[string]setter{
		"max_used_space": space(&p.MaxUsed, syn),
		"min_free_space": space(&p.MinFree, syn),
		"reserved_space": space(&p.Reserved, syn),
		"keep_duration":  age(&p.Unused),
	}
}

// space stores a size, or hundredths of the file system.
func space(dst **imagecall.Space, syn Syntax) setter {
	return func(v any) error {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("want a size such as \"10gb\" or \"15%%\", not %v", v)
		}
		var out imagecall.Space
		var err error
		if percent, found := strings.CutSuffix(s, "%"); found {
			if out.Percent, err = strconv.ParseInt(percent, 10, 64); err != nil || out.Percent < 0 || out.Percent > 100 {
				return fmt.Errorf("invalid value %q: want 0%% to 100%%", s)
			}
		} else if out.Bytes, err = syn.Size(s); err != nil {
			return err
		}
		*dst = &out
		return nil
	}
}

// age stores a duration, also one in days.
func age(dst **time.Duration) setter {
	return func(v any) error {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("want a duration such as \"48h\" or \"30d\", not %v", v)
		}
		if days, found := strings.CutSuffix(s, "d"); found {
			n, err := strconv.ParseUint(days, 10, 16)
			if err != nil {
				return fmt.Errorf("invalid duration %q", s)
			}
			d := time.Duration(n) * 24 * time.Hour
			*dst = &d
			return nil
		}
		return seconds(dst)(v)
	}
}
