// Package command has the commands of gentask, as functions over a broker that is handed in, so
// that tests can run them in their own process. [Main] is the whole command line.
//
// Each command is one file, or a few: its place in the tree of commands, what it does, and the
// structure that it writes as JSON. The fields of these structures stay as they are: programs read
// them.
package command
