// Package fleetrig tests the promises of package fleet over any broker: that commands reach all
// nodes, that nodes which were cut off catch up, and that no command is lost.
package fleetrig
