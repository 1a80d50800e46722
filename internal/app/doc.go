// Package app puts the parts together: the only place that knows every package. It
// opens them in the order in which they need each other, runs them, and closes them
// in the reverse order, so that work in hand is finished or handed back before the
// part that would keep it is gone.
//
// [New] opens everything and binds the listeners, [App.Run] works until its context
// ends. Both are usable from tests; nothing here is global.
package app
