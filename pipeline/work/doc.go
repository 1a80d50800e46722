// Package work is what the rooms of the pipeline hand to each other: the [Batch] for one
// [Destination] with its targets, the rows that follow from it, the [Network] it is done
// for, and the forms in which work travels through the broker's streams.
//
// Nothing here decides, sends or stores.
package work
