// Package command tests the program as people and service managers run it: a built
// chatbell that is started, told by signals to stop, interrupted and killed, on folders and
// ports of its own. What a command says without serving is tested beside the commands.
package command
