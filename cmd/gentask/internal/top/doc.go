// Package top draws the screen of the command top: it turns what was found out about a fleet, the
// choices of the person who looks, and the size of the terminal into lines. It asks no one, and
// writes nothing.
package top
