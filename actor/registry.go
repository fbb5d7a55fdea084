package actor

// mend32 makes a system work on 32-bit platforms. It must be called before the system is shared.
// protoactor-go takes the hash of a name, as an int, modulo the number of its tables. There, the
// index is negative for half of the names. With one table it is always zero. That table has 32
// parts, each with a lock of its own.
func mend32(sys *System) {
	registry := sys.ProcessRegistry.LocalPIDs
	one := registry.LocalPIDs[0]
	for _, table := range registry.LocalPIDs[1:] {
		for id, process := range table.Items() {
			one.Set(id, process)
		}
	}
	registry.LocalPIDs = registry.LocalPIDs[:1:1]
}
