// Command show is no package to import.
package main

func main() {}
