package recipe

import (
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Base is what a check knows of a base image or context.
type Base struct {
	Config Config
	Author string
	// Platform is the image's, nil if unknown.
	Platform *imgspec.Platform
}

// Check plans all stages, or those that --target needs, and returns all warnings.
// base is asked for what is neither a stage nor scratch. With an error, which is
// the file's or base's, come the warnings up to there.
func (r *Recipe) Check(base func(*Stage) (Base, error)) ([]Warning, error) {
	warnings := r.Warnings
	wanted := r.Wanted()
	if r.opts.TargetStage == "" {
		wanted = wanted[:0]
		for i := range r.Stages {
			wanted = append(wanted, i)
		}
	}
	plans := map[int]*Plan{}
	for _, i := range wanted {
		s := r.Stages[i]
		var b Base
		var o PlanOptions
		switch s.Base {
		case BaseStage:
			o.Base = plans[s.BaseAt]
			b.Config = o.Base.Config
		case BaseImage, BaseContext:
			var err error
			if b, err = base(s); err != nil {
				return warnings, r.failure(err, s.Location, "")
			}
			o.Author, o.Actual = b.Author, b.Platform
		}
		p, err := r.Plan(i, b.Config, o)
		if err != nil {
			return warnings, err
		}
		plans[i] = p
		warnings = append(warnings, p.Warnings...)
	}
	return warnings, nil
}
