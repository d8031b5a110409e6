package cmd

// Version is skiff's own version; a build may set another (-ldflags -X).
var Version = "0.1.0-dev"
