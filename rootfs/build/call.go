package build

import (
	"fmt"

	"skiff/rootfs/build/recipe"
	"skiff/rootfs/imagecall"
)

// call answers what builds nothing: --check, --call=outline, --call=targets.
func (b *Builder) call() (imagecall.Result, error) {
	var res imagecall.Result
	rec, err := recipe.Parse(b.inputs.dockerfile, b.recipeOptions(b.host))
	if err != nil {
		return res, b.explain(err, nil)
	}
	return res, fmt.Errorf("%v", rec)
}
