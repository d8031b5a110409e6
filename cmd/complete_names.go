package cmd

import (
	"slices"
	"strings"

	"skiff/cmd/format"
	"skiff/libpod"
	"skiff/libpod/inspect"
	"skiff/state"
)

// argument is what the next word that is no option may be. Only here are
// records read.
func argument(app *App, command string, w words, last string) answer {
	first := len(w.rest) == 0
	a := choices()
	switch command {
	case "attach", "exec", "top", "port":
		if first {
			a = containerNames(app, last, state.Running)
		} else if command == "exec" {
			return files()
		}
	case "kill", "stop", "stats":
		a = containerNames(app, last, state.Running, state.Paused, state.Restarting)
	case "wait":
		a = containerNames(app, last, state.Running, state.Paused, state.Restarting, state.Created)
	case "pause":
		a = containerNames(app, last, state.Running)
	case "unpause":
		a = containerNames(app, last, state.Paused)
	case "start":
		a = containerNames(app, last, state.Created, state.Exited, state.Initialized)
	case "init":
		a = containerNames(app, last, state.Created, state.Exited)
	case "rm":
		phases := []state.Phase{state.Created, state.Exited, state.Initialized}
		if slices.Contains(w.options, "--force=true") {
			phases = nil
		}
		a = containerNames(app, last, phases...)
	case "restart", "logs", "container cleanup", "container inspect", "container exists", "update", "healthcheck run", "container mount", "container unmount":
		a = containerNames(app, last)
	case "commit", "diff", "export", "rename":
		if first {
			a = containerNames(app, last)
		}
	case "cp":
		return copyEnds(app, last)
	case "run", "create":
		if !first {
			return files()
		}
		a = imageNames(app)
	case "history", "image exists":
		if first {
			a = imageNames(app)
		}
	case "image inspect", "rmi", "save", "tag", "untag", "push", "pull", "image sign", "images":
		a = imageNames(app)
	case "manifest add", "manifest annotate", "manifest create", "manifest push", "manifest remove", "manifest inspect", "manifest exists", "manifest rm":
		return manifestWords(app, command, w, first).without(w.rest)
	case "build", "import", "load":
		return files()
	case "inspect":
		a = containerNames(app, last)
		for _, more := range []answer{imageNames(app), volumeNames(app), networkNames(app)} {
			a.list = append(a.list, more.list...)
		}
	case "network connect", "network disconnect":
		if a = networkNames(app); !first {
			a = containerNames(app, last)
		}
	case "network inspect", "network rm", "network exists":
		a = networkNames(app)
	case "volume inspect", "volume rm", "volume exists", "volume export", "volume import":
		a = volumeNames(app)
	case "secret rm", "secret inspect", "secret exists":
		a = secretNames(app)
	case "secret create":
		if !first {
			return files()
		}
	case "completion":
		if first {
			a = choices("bash", "zsh", "fish")
		}
	}
	return a.without(w.rest)
}

// without leaves out what is given already.
func (a answer) without(given []string) answer {
	a.list = slices.DeleteFunc(a.list, func(c candidate) bool { return slices.Contains(given, c.word) })
	return a
}

// containerNames are the containers in one of these phases; all without. Ids
// are offered to those who have begun to type one.
func containerNames(app *App, last string, phases ...state.Phase) answer {
	a := choices()
	e, err := app.Engine()
	if err != nil {
		return a
	}
	found, err := e.ContainerList(libpod.ListOptions{All: true})
	if err != nil {
		return a
	}
	for _, c := range found {
		if len(phases) > 0 && !slices.Contains(phases, c.Status.Phase) {
			continue
		}
		about := c.Config.Image.Name + ", " + string(c.Status.Phase)
		a.list = append(a.list, candidate{c.Config.Name, about})
		if short := format.ShortID(c.Config.ID); last != "" && strings.HasPrefix(short, last) {
			a.list = append(a.list, candidate{short, c.Config.Name})
		}
	}
	return a
}

// copyEnds are the containers with the colon that cp wants, and files.
func copyEnds(app *App, last string) answer {
	a := containerNames(app, last)
	if strings.ContainsAny(last, "/:") {
		return files()
	}
	for i := range a.list {
		a.list[i].word += ":"
	}
	a.how = completeNoSpace
	return a
}

func imageNames(app *App) answer {
	return chosenImages(app, func(libpod.Image) bool { return true })
}

func chosenImages(app *App, chosen func(libpod.Image) bool) answer {
	a := choices()
	e, err := app.Engine()
	if err != nil {
		return a
	}
	images, err := e.ImageList(libpod.ImageListOptions{})
	if err != nil {
		return a
	}
	for _, i := range images {
		if !chosen(i) {
			continue
		}
		for _, n := range i.Names {
			// The short name first: it is what people type.
			short := strings.TrimSuffix(inspect.Familiar(n), ":latest")
			a.list = append(a.list, candidate{word: short})
			if short != n {
				a.list = append(a.list, candidate{word: n})
			}
		}
	}
	return a
}

// manifestWords are lists first; then what may be added, the digests that are
// there, or where to push to.
func manifestWords(app *App, command string, w words, first bool) answer {
	switch {
	case command == "manifest rm" || first && command != "manifest create":
		return chosenImages(app, func(i libpod.Image) bool { return i.Index != nil })
	case command == "manifest add" && slices.Contains(w.options, "--artifact=true"):
		return files()
	case command == "manifest add", command == "manifest create":
		return imageNames(app)
	case (command == "manifest remove" || command == "manifest annotate") && len(w.rest) == 1:
		return instanceDigests(app, w.rest[0])
	}
	return choices()
}

// instanceDigests are those of a list.
func instanceDigests(app *App, list string) answer {
	a := choices()
	e, err := app.Engine()
	if err != nil {
		return a
	}
	img, _, err := e.Images.Lookup(list)
	if err != nil || img.Index == nil {
		return a
	}
	for _, i := range img.Index.Instances {
		a.list = append(a.list, candidate{i.Digest, strings.Trim(i.OS+"/"+i.Architecture+"/"+i.Variant, "/")})
	}
	return a
}

func networkNames(app *App) answer {
	a := choices()
	e, err := app.Engine()
	if err != nil {
		return a
	}
	nets, _ := e.NetworkList(nil) // what can be read of them
	for _, n := range nets {
		a.list = append(a.list, candidate{n.Name, n.Driver})
	}
	return a
}

func volumeNames(app *App) answer {
	a := choices()
	e, err := app.Engine()
	if err != nil {
		return a
	}
	volumes, _ := e.VolumeList(nil) // what can be read of them
	for _, v := range volumes {
		a.list = append(a.list, candidate{word: v.Name})
	}
	return a
}

func secretNames(app *App) answer {
	a := choices()
	e, err := app.Engine()
	if err != nil {
		return a
	}
	secrets, _ := e.SecretList() // what can be read of them
	for _, s := range secrets {
		a.list = append(a.list, candidate{word: s.Name})
	}
	return a
}
