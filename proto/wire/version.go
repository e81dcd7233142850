package wire

// Version of this build; the build sets it.
var Version = "dev"
