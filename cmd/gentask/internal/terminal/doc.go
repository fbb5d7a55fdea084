// Package terminal writes what the commands show: tables for people, tabs for pipes, objects of
// JSON for programs, and progress. The output is what decides, a terminal or not.
//
// Texts of others, such as the ID of a message or the reason of a dead letter, may hold escape
// sequences that clear the screen, rename the window or type into the shell. They may hold
// characters that reverse what follows. [Text] and [Lines] make them harmless, and everything that
// a table shows passes through Text.
package terminal
