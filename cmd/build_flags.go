package cmd

import (
	"slices"

	"github.com/urfave/cli/v2"
)

// optional is a text option that may stand alone, and then means bare. A value
// has to be joined to it with an equals sign.
type optional struct {
	*cli.StringFlag
	bare string
}

// pick takes the options with these names out of others' list.
func pick(flags []cli.Flag, wanted ...string) []cli.Flag {
	return slices.DeleteFunc(flags, func(f cli.Flag) bool {
		name, _ := names(f)
		return !slices.Contains(wanted, name)
	})
}

// buildFlags are the options of build: those of Docker's, of buildx's and of
// Podman's.
func buildFlags(app *App) []cli.Flag {
	var flags []cli.Flag
	for _, group := range [][]cli.Flag{
		buildInputFlags(), buildResultFlags(app), buildImageFlags(), buildCacheFlags(), buildShownFlags(),
		buildContainerFlags(), buildAcceptedFlags(app), registryFlags(), {credsFlag()}, retryFlags(app, "pull"),
	} {
		flags = append(flags, group...)
	}
	return flags
}

func buildInputFlags() []cli.Flag {
	return []cli.Flag{
		list("Dockerfile: a path, a URL or - for standard input; several are read as one", "file", "f"),
		text("File with patterns of files of the context to leave out, instead of .containerignore or .dockerignore", "ignorefile"),
		list("Further source of files, as NAME=DIRECTORY|URL|docker-image://IMAGE|oci-layout://DIRECTORY|target:STAGE", "build-context"),
		list("Build argument, as NAME=VALUE, or NAME for the caller's value", "build-arg"),
		list("File with one build argument a line", "build-arg-file"),
		text("Stage to build", "target"),
		list("Secret for RUN --mount=type=secret, as id=NAME[,src=FILE|,env=VARIABLE]", "secret"),
		list("SSH agent, socket or keys for RUN --mount=type=ssh, as default|ID[=SOCKET|KEY[,KEY]]", "ssh"),
		&optional{&cli.StringFlag{Name: "pull", Usage: `When to pull base images: always, missing, never, newer; alone it means always (default "missing")`}, "always"},
		toggle("Accepted for podman's sake: like --pull=always", "pull-always"),
		toggle("Like --pull=never", "pull-never"),
		list("Build for these platforms, OS/ARCH[/VARIANT]; several make an index", "platform"),
		text("Build for this architecture", "arch"),
		text("Build for this operating system", "os"),
		text("Build for this variant of the architecture", "variant"),
	}
}

func buildResultFlags(app *App) []cli.Flag {
	format := "oci"
	if app.Docker {
		format = "docker"
	}
	return []cli.Flag{
		list("Name of the image", "tag", "t"),
		list("Where the result goes: DIRECTORY, - or type=local|tar|oci|docker|image|registry[,dest=PATH]", "output", "o"),
		toggle("Send the image to its registry: like --output type=registry", "push"),
		toggle("Keep the image here: like --output type=docker", "load"),
		text("Add the image to this list of images, which is made if it is not there", "manifest"),
		text("Write the image's id to this file", "iidfile"),
		text("Write what was built to this file, as JSON", "metadata-file"),
		text("Kind of the image's manifest: oci or docker (default \""+format+"\")", "format"),
		toggle("Make one layer of those that the build adds", "squash"),
		toggle("Make one layer of all", "squash-all"),
	}
}

func buildImageFlags() []cli.Flag {
	return []cli.Flag{
		list("Label of the image, as NAME=VALUE", "label"),
		list("Annotation of the image's manifest, as NAME=VALUE", "annotation"),
		list("Environment variable of the image, as NAME=VALUE, or NAME for the caller's value", "env"),
		list("Environment variable of the image to leave out", "unsetenv"),
		list("Label of the base image to leave out", "unsetlabel"),
		toggle("Label the image with the version of buildah whose options this command has", "identity-label"),
		text("Seconds since 1970 that the image and its files are dated, for results that are the same each time", "timestamp"),
		text("Like --timestamp; the default is the build argument and the variable SOURCE_DATE_EPOCH", "source-date-epoch"),
		toggle("Accepted for podman's sake: with --source-date-epoch files are dated too", "rewrite-timestamp"),
	}
}

func buildCacheFlags() []cli.Flag {
	return []cli.Flag{
		toggle("Run each step again", "no-cache"),
		list("Run each step of these stages again", "no-cache-filter"),
		&cli.BoolFlag{Name: "layers", Value: true, Usage: "Use the cache and keep a layer for each step; false means --no-cache --squash"},
		list("Cache to read: IMAGE, type=registry,ref=IMAGE or type=local,src=DIRECTORY", "cache-from"),
		list("Cache to write: IMAGE, type=registry,ref=IMAGE, type=local,dest=DIRECTORY or type=inline", "cache-to"),
		text("How old what the cache holds may be, such as 24h", "cache-ttl"),
		number("Steps to run at the same time; 0 is the number of processors", "jobs"),
	}
}

func buildShownFlags() []cli.Flag {
	return []cli.Flag{
		text("How to show the build: auto, plain, steps, tty, quiet or rawjson (default \"auto\")", "progress"),
		toggle("Print nothing but the image's id", "quiet", "q"),
		toggle("Look for mistakes in the Dockerfile and build nothing", "check"),
		text("What to do: build, check, outline or targets, and ,format=json", "call"),
		toggle("Open a shell in a step that fails", "shell-on-failure"),
		text("Write what the build prints to this file", "logfile"),
		toggle("Say what each step has used: processor time, time, input and output", "log-rusage"),
	}
}

// buildContainerFlags say what the containers of RUN are like; they are those of
// run and create.
func buildContainerFlags() []cli.Flag {
	var flags []cli.Flag
	flags = append(flags, pick(networkFlags(), "network", "add-host", "dns", "dns-option", "dns-search")...)
	flags = append(flags, pick(resourceFlags(), "memory", "memory-swap", "cpu-shares", "cpu-period", "cpu-quota",
		"cpuset-cpus", "cpuset-mems", "ulimit", "shm-size", "cgroup-parent")...)
	flags = append(flags, pick(mountFlags(), "volume")...)
	flags = append(flags, pick(securityFlags(), "cap-add", "cap-drop", "security-opt", "device", "pid", "ipc", "uts", "cgroupns")...)
	flags = append(flags, pick(extraFlags(), "http-proxy", "no-hosts", "no-hostname")...)
	return append(flags,
		text("User namespace of RUN: auto, host, keep-id, nomap, ns:PATH, private", "userns"),
		list("Map user ids, as CONTAINER:FROM[:AMOUNT]", "userns-uid-map"),
		list("Map group ids, as CONTAINER:FROM[:AMOUNT]", "userns-gid-map"),
		text("Map the user ids that /etc/subuid gives to a name", "userns-uid-map-user"),
		text("Map the group ids that /etc/subgid gives to a name", "userns-gid-map-group"),
		list("Allow what a Dockerfile may ask for: security.insecure, network.host, device[=NAME]", "allow"),
		toggle("Pass standard input on to the programs of RUN", "stdin"),
	)
}

// buildAcceptedFlags are options for what skiff has one kind of or nothing.
func buildAcceptedFlags(app *App) []cli.Flag {
	return []cli.Flag{
		text("Builder to use; there is only default", "builder"),
		text("Isolation of RUN: default or oci", "isolation"),
		&cli.BoolFlag{Name: "rm", Value: true, Usage: "Accepted: no container of a build is left"},
		&cli.BoolFlag{Name: "force-rm", Value: !app.Docker, Usage: "Accepted: no container of a build is left"},
		toggle("Accepted: a context is never sent anywhere", "compress"),
		toggle("Accepted: layers are compressed when they are pushed", "disable-compression", "D"),
		toggle("Accepted for docker's sake; policy.json says what is trusted", "disable-content-trust"),
		toggle("Accepted: stages that nothing needs are always left out", "skip-unused-stages"),
		text("Provenance attestation; there is only false", "provenance"),
		text("SBOM attestation; there is only false", "sbom"),
	}
}
