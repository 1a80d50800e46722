package clickhouse

import (
	"errors"
	"fmt"
	"net"
	"net/url"

	"chatbell/internal/neterror"
)

// unanswered says in one word why a server gave no answer, and the cause. What the client
// says around it repeats the address with all its parameters, in every line of the log for
// as long as the server is away. Any other error stays as it is.
func unanswered(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return fmt.Errorf("%s: %w", neterror.Word(request), request.Err)
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return fmt.Errorf("%s: %w", neterror.Word(network), network)
	}
	return err
}
