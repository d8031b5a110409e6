package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// command is one line of the list of commands.
type command struct {
	// name is what the help shows, such as "run" or "image tag".
	name string
	// aliases are other ways to say it, with a space between group and verb.
	aliases []string
	// new makes the command. Only the invoked command's is called, but for help.
	new func(*App) *cli.Command
	// verbatim: everything after the first word that is no option belongs to the
	// container, as for run.
	verbatim bool
}

// commands is the one list of commands.
func commands() []command { return slices.Concat(objects(), data(), machine()) }

// objects are the commands about containers, images and networks.
func objects() []command {
	return []command{
		// Containers.
		{name: "attach", aliases: []string{"container attach"}, new: newAttach},
		{name: "commit", aliases: []string{"container commit"}, new: newCommit},
		{name: "create", aliases: []string{"container create"}, new: newCreate, verbatim: true},
		{name: "exec", aliases: []string{"container exec"}, new: newExec, verbatim: true},
		{name: "kill", aliases: []string{"container kill"}, new: newKill},
		{name: "logs", aliases: []string{"container logs"}, new: newLogs},
		{name: "pause", aliases: []string{"container pause"}, new: newPause},
		{name: "rename", aliases: []string{"container rename"}, new: newRename},
		{name: "restart", aliases: []string{"container restart"}, new: newRestart},
		{name: "rm", aliases: []string{"container rm", "container remove"}, new: newRm},
		{name: "run", aliases: []string{"container run"}, new: newRun, verbatim: true},
		{name: "start", aliases: []string{"container start"}, new: newStart},
		{name: "init", aliases: []string{"container init"}, new: newInit},
		{name: "stop", aliases: []string{"container stop"}, new: newStop},
		{name: "top", aliases: []string{"container top"}, new: newTop, verbatim: true},
		{name: "unpause", aliases: []string{"container unpause"}, new: newUnpause},
		{name: "wait", aliases: []string{"container wait"}, new: newWait},
		{name: "ps", aliases: []string{"container ls", "container list", "container ps"}, new: newPs},
		{name: "port", aliases: []string{"container port"}, new: newPort},
		{name: "stats", aliases: []string{"container stats"}, new: newStats},
		{name: "container prune", new: newContainerPrune},
		{name: "container exists", new: newContainerExists},
		{name: "container inspect", new: newContainerInspect},
		{name: "inspect", new: newInspect},
		{name: "healthcheck run", new: newHealthcheckRun},
		{name: "update", aliases: []string{"container update"}, new: newUpdate},
		{name: "cp", aliases: []string{"container cp"}, new: newCp},
		{name: "diff", aliases: []string{"container diff"}, new: newDiff},
		{name: "export", aliases: []string{"container export"}, new: newExport},
		{name: "mount", aliases: []string{"container mount"}, new: newMount},
		{name: "unmount", aliases: []string{"umount", "container unmount", "container umount"}, new: newUnmount},
		{name: "container cleanup", new: newCleanup},
		{name: "container clone", new: newClone},
		// Images.
		{name: "builder prune", aliases: []string{"buildx prune"}, new: newBuilderPrune},
		{name: "build", aliases: []string{"image build", "buildx build", "builder build"}, new: newBuild},
		{name: "images", aliases: []string{"image ls", "image list"}, new: newImages},
		{name: "history", aliases: []string{"image history"}, new: newHistory},
		{name: "image exists", new: newImageExists},
		{name: "image inspect", new: newImageInspect},
		{name: "image prune", new: newImagePrune},
		{name: "image sign", new: newImageSign},
		{name: "import", aliases: []string{"image import"}, new: newImport},
		{name: "load", aliases: []string{"image load"}, new: newLoad},
		{name: "login", new: newLogin},
		{name: "logout", new: newLogout},
		{name: "pull", aliases: []string{"image pull"}, new: newPull},
		{name: "push", aliases: []string{"image push"}, new: newPush},
		{name: "rmi", aliases: []string{"image rm", "image remove"}, new: newRmi},
		{name: "save", aliases: []string{"image save"}, new: newSave},
		{name: "search", aliases: []string{"image search"}, new: newSearch},
		{name: "tag", aliases: []string{"image tag"}, new: newTag},
		{name: "untag", aliases: []string{"image untag"}, new: newUntag},
		{name: "image diff", new: newImageDiff},
		{name: "image mount", new: newImageMount},
		{name: "image unmount", aliases: []string{"image umount"}, new: newImageUnmount},
		{name: "manifest add", new: newManifestAdd},
		{name: "manifest annotate", new: newManifestAnnotate},
		{name: "manifest create", new: newManifestCreate},
		{name: "manifest exists", new: newManifestExists},
		{name: "manifest inspect", new: newManifestInspect},
		{name: "manifest push", new: newManifestPush},
		{name: "manifest remove", new: newManifestRemove},
		{name: "manifest rm", new: newManifestRm},
		// Networks.
		{name: "network connect", new: newNetworkConnect},
		{name: "network create", new: newNetworkCreate},
		{name: "network disconnect", new: newNetworkDisconnect},
		{name: "network exists", new: newNetworkExists},
		{name: "network inspect", new: newNetworkInspect},
		{name: "network ls", aliases: []string{"network list"}, new: newNetworkList},
		{name: "network prune", new: newNetworkPrune},
		{name: "network reload", new: newNetworkReload},
		{name: "network rm", aliases: []string{"network remove"}, new: newNetworkRm},
		{name: "network update", new: newNetworkUpdate},
	}
}

// data are the commands about what containers use and do not have in them, and pods.
func data() []command {
	return []command{
		// Volumes.
		{name: "volume backup", new: newVolumeBackup},
		{name: "volume create", new: newVolumeCreate},
		{name: "volume exists", new: newVolumeExists},
		{name: "volume inspect", new: newVolumeInspect},
		{name: "volume ls", aliases: []string{"volume list"}, new: newVolumeList},
		{name: "volume mount", new: newVolumeMount},
		{name: "volume prune", new: newVolumePrune},
		{name: "volume restore", new: newVolumeRestore},
		{name: "volume rm", aliases: []string{"volume remove"}, new: newVolumeRm},
		{name: "volume export", new: newVolumeExport},
		{name: "volume import", new: newVolumeImport},
		{name: "volume unmount", aliases: []string{"volume umount"}, new: newVolumeUnmount},
		// Pods.
		{name: "pod ls", aliases: []string{"pod list", "pod ps"}, new: newPodList},
		{name: "pod rm", new: newPodRm},
		// Secrets.
		{name: "secret create", new: newSecretCreate},
		{name: "secret exists", new: newSecretExists},
		{name: "secret ls", aliases: []string{"secret list"}, new: newSecretList},
		{name: "secret rm", aliases: []string{"secret remove"}, new: newSecretRm},
	}
}

// machine are the commands about skiff as a whole.
func machine() []command {
	return []command{
		{name: "completion", new: newCompletion},
		{name: "system boot", new: newBoot},
		{name: "events", aliases: []string{"system events", "container events"}, new: newEvents},
		{name: "info", aliases: []string{"system info"}, new: newInfo},
		{name: "system check", new: newSystemCheck},
		{name: "system connection ls", aliases: []string{"system connection list"}, new: newConnectionList},
		{name: "system df", new: newSystemDf},
		{name: "system prune", new: newSystemPrune},
		{name: "version", new: newVersion},
		{name: "buildx version", new: newBuildxVersion},
		{name: "buildx imagetools create", new: newImagetoolsCreate},
		{name: "buildx imagetools inspect", new: newImagetoolsInspect},
	}
}

// groups are the words that only stand before a verb.
func groups() [][2]string {
	return [][2]string{
		{"builder", "Manage builds"},
		{"buildx", "Manage builds, by the name of Docker's plugin"},
		{"buildx imagetools", "Manage images in registries"},
		{"container", "Manage containers"},
		{"healthcheck", "Check the health of containers"},
		{"image", "Manage images"},
		{"manifest", "Manage lists of images for several platforms"},
		{"network", "Manage networks"},
		{"pod", "Manage pods (skiff keeps none)"},
		{"secret", "Manage secrets"},
		{"system", "Manage skiff"},
		{"system connection", "See Podman's connections to other machines"},
		{"volume", "Manage volumes"},
	}
}

// Main runs one command line, args[0] being the name that skiff was called by,
// and gives the exit code.
func Main(args []string) int {
	app := &App{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Name: "skiff"}
	app.calledAs(args)
	app.Engine = openEngine(app)
	return run(app, args)
}

// calledAs takes over the name of a link for which scripts know skiff.
func (app *App) calledAs(args []string) {
	if len(args) == 0 {
		return
	}
	if name := filepath.Base(args[0]); oneOf(name, "docker", "podman") {
		app.Docker, app.Name = name == "docker", name
	}
}

// run is Main with everything it uses of the world in app.
func run(app *App, args []string) int {
	err := dispatch(app, args)
	report(app, err)
	app.Log.Debug("Shutting down engines")
	if app.Docker {
		return dockerCode(app, err)
	}
	return exitCode(err)
}

func dispatch(app *App, args []string) error {
	w, err := globals(app, args)
	app.badOptions = err != nil
	if err != nil || w == nil {
		return err
	}
	if w.help {
		return rootHelp(app, app.Out)
	}
	if len(w.rest) == 0 {
		return noCommand(app)
	}
	if w.rest[0] == completeCommand || w.rest[0] == completeNoAbout {
		return complete(app, w.rest[1:], w.rest[0] == completeCommand)
	}
	if w.rest[0] == "help" {
		return helpFor(app, w.rest[1:])
	}
	c, path, rest, err := lookup(app, w.rest)
	if err != nil {
		return err
	}
	if c == nil { // a group alone
		return groupHelp(app, path, rest)
	}
	return invoke(app, c, path, rest)
}

// lookup finds the command that the words begin with. Where they name a group
// only, c is nil and path its name.
func lookup(app *App, words []string) (c *command, path string, rest []string, err error) {
	list := commands()
	find := func(name string) *command {
		for i := range list {
			for _, n := range append([]string{list[i].name}, list[i].aliases...) {
				if n == name {
					return &list[i]
				}
			}
		}
		return nil
	}
	if c = find(words[0]); c != nil {
		return c, words[0], words[1:], nil
	}
	if strings.HasPrefix(words[0], "-") {
		return nil, "", nil, usagef("unknown flag: %s", words[0])
	}
	group := ""
	for len(words) > 0 && isGroup(joined(group, words[0])) {
		group, words = joined(group, words[0]), words[1:]
	}
	if group != "" && (len(words) == 0 || strings.HasPrefix(words[0], "-")) {
		return nil, group, words, nil
	}
	if c = find(joined(group, words[0])); c != nil {
		return c, joined(group, words[0]), words[1:], nil
	}
	return nil, "", nil, unknown(app, group, words[0], words[1:])
}

func joined(group, word string) string { return strings.TrimPrefix(group+" "+word, " ") }

func isGroup(name string) bool {
	return slices.ContainsFunc(groups(), func(g [2]string) bool { return g[0] == name })
}

// unknown is the error for a word that is no command, with the nearest one that
// is. Under Podman's name an option behind it is what is named, as Podman does.
func unknown(app *App, group, word string, rest []string) error {
	if app.Docker && group == "" {
		return dockerUnknown(word)
	}
	typed := strings.TrimSpace(group + " " + word)
	var near []string
	for _, c := range commands() {
		for _, n := range append([]string{c.name}, c.aliases...) {
			prefix, verb, two := strings.Cut(n, " ")
			if !two {
				prefix, verb = "", n
			}
			if prefix == group && distance(verb, word) <= 1+len(word)/4 {
				near = append(near, "'"+app.Name+" "+n+"'")
			}
		}
	}
	msg := fmt.Sprintf("unrecognized command `%s %s`", app.Name, typed)
	if len(near) > 0 {
		return fmt.Errorf("%s, did you mean %s?", msg, strings.Join(near, " or "))
	}
	isOption := func(w string) bool { return len(w) > 1 && w[0] == '-' }
	if i := slices.IndexFunc(rest, isOption); app.Name == "podman" && i >= 0 {
		if _, err := canonical(persistentFlags(), rest[i:], true); err != nil {
			return withCommand(err, strings.TrimSpace(app.Name+" "+group))
		}
	}
	return fmt.Errorf("%s, try '%s --help'", msg, strings.TrimSpace(app.Name+" "+group))
}

// distance is how many letters one has to change, add, take away or swap with
// the next to make b out of a.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev2, prev, row := rows[(i+1)%3], rows[(i-1)%3], rows[i%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}

// invoke makes the one command and lets urfave/cli run it.
func invoke(app *App, c *command, path string, args []string) error {
	made := c.new(app)
	app.command = c.name
	full := app.Name + " " + path
	w, err := canonical(append(slices.Clone(made.Flags), persistentFlags()...), args, !c.verbatim)
	if err == nil && !w.help {
		err = lateGlobals(app, &w, made.Flags)
		if what := app.elsewhere(); err == nil && what != "" {
			err = &usageError{msg: fmt.Sprintf("cannot use %s: skiff works on this machine only", what), quiet: true}
		}
	}
	if err != nil {
		app.badOptions = true
		return withCommand(err, full)
	}
	if w.help {
		return commandHelp(app, c, made, path)
	}
	if app.Docker {
		if err := countWords(c, full, w); err != nil {
			return err
		}
	}
	made.Name = path
	made.Flags = w.used(made.Flags)
	made.Aliases = nil
	made.HideHelp = true
	made.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return usagef("%s", err) }
	root := &cli.App{
		Name: app.Name, Commands: []*cli.Command{made},
		HideHelp: true, HideVersion: true,
		Compiled:                  time.Unix(1, 0), // else it looks at our program file
		DisableSliceFlagSeparator: true,
		Writer:                    app.Out, ErrWriter: app.Err,
		ExitErrHandler: func(*cli.Context, error) {},
	}
	return withCommand(root.Run(append([]string{app.Name, path}, w.all()...)), full)
}

// withCommand tells a usage error whose help to point to.
func withCommand(err error, command string) error {
	var u *usageError
	if errors.As(err, &u) && u.command == "" {
		u.command = command
	}
	return err
}
