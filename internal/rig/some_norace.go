//go:build !race

package rig

const underRace = false
