// Package engine runs ClickHouse inside the product: the real engine, loaded from
// libchdb.so into a child process that speaks ClickHouse's HTTP interface on the
// loopback address.
//
// [Start] is the parent's side. It starts the child, waits until it answers, starts
// it again when it ends, and stops it in [Supervisor.Close]. The engine lives in a
// process of its own, so that its crash is not ours and its memory can be seen apart.
// Parent and child share a pipe: when the parent is gone, however it went, the child
// reads the end of the pipe and leaves, so that nothing holds the data folder's lock.
//
// [Serve] is the child's side, run by a hidden command of the same binary. Two users
// may come in. The writer, whose password is made anew at each start and never leaves
// the two processes, may do everything. The analyst may only read: the engine's own
// readonly mode refuses writes, settings, and the functions that reach files or the
// network; its parser says which kind of statement a text is and which functions it
// calls, so that no comment, letter case or quoting gets around the rest.
//
// Every request has a connection of its own within the engine, made for it and closed
// behind it (a third of a millisecond). So one analyst's settings never meet another's,
// and a slow query holds up no insert. How many there are at once is bounded apart
// for the writer and for analysts.
package engine
