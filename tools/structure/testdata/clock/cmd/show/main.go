// Command show exports what nobody can import.
package main

import "example.com/clock/face"

// Show is not counted.
func Show() { face.New().Tick() }

func main() { Show() }
