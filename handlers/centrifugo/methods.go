package centrifugo

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"chatbell"
)

// call is one call of a method.
type call struct {
	network chatbell.NetworkID
	trace   string
	now     time.Time
	// older says that it came in where clients of the older product call, too.
	older bool
}

// method is one of the API, for every transport.
type method struct {
	name string
	// enum is its number at the endpoint for all methods.
	enum int
	// decode reads parameters of the method's type, strictly before anything is done. The
	// result of run is the method's.
	decode func(params []byte) (any, error)
	run    func(ctx context.Context, a *api, c *call, params any) (any, error)
	// params makes the method's parameters, and reply its answer, for gRPC.
	params func() any
	reply  func(result any, failed *Error) any
}

// reply is what gRPC answers with: one of the two.
type reply[Out any] struct {
	Error  *Error `pb:"1"`
	Result *Out   `pb:"2"`
}

// methodOf makes a method of a function.
func methodOf[In, Out any](name string, enum int, f func(*api, context.Context, *call, *In) (*Out, error)) method {
	return method{
		name: name,
		enum: enum,
		decode: func(params []byte) (any, error) {
			in := new(In)
			if len(params) > 0 && json.Unmarshal(params, in) != nil {
				return nil, errJSON
			}
			return in, nil
		},
		params: func() any { return new(In) },
		reply: func(result any, failed *Error) any {
			out, _ := result.(*Out) // nil where the call has failed
			return &reply[Out]{Error: failed, Result: out}
		},
		run: func(ctx context.Context, a *api, c *call, params any) (any, error) {
			in, ok := params.(*In)
			if !ok {
				return nil, errJSON
			}
			out, err := f(a, ctx, c, in)
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}
}

// methods are all that this build has.
var methods = []method{
	methodOf("device_register", 22, (*api).deviceRegister),
	methodOf("device_update", 23, (*api).deviceUpdate),
	methodOf("device_remove", 24, (*api).deviceRemove),
	methodOf("device_list", 25, (*api).deviceList),
	methodOf("device_topic_list", 26, (*api).deviceTopicList),
	methodOf("device_topic_update", 27, (*api).deviceTopicUpdate),
	methodOf("user_topic_list", 28, (*api).userTopicList),
	methodOf("user_topic_update", 29, (*api).userTopicUpdate),
	methodOf("send_push_notification", 30, (*api).sendPush),
	methodOf("update_push_status", 31, (*api).updatePushStatus),
	methodOf("cancel_push", 32, (*api).cancelPush),
}

// others are methods of Centrifugo that are not about pushes.
var others = strings.Fields(`publish broadcast subscribe unsubscribe disconnect presence presence_stats history history_remove
	info rpc refresh channels connections update_user_status get_user_status delete_user_status block_user unblock_user
	revoke_token invalidate_user_tokens`)

// firstEnum is the number of the first method about pushes: those below are the others'.
const firstEnum = 22

// other is a method that Centrifugo has and chatbell has not.
func other(name string) method {
	return method{
		name:   name,
		decode: func([]byte) (any, error) { return struct{}{}, nil },
		run: func(context.Context, *api, *call, any) (any, error) {
			return nil, notAvailable("chatbell has the methods of push notifications; call Centrifugo for %s", name)
		},
	}
}

// unknown is a method that nobody has.
func unknown(name string) method {
	return method{
		name:   name,
		decode: func([]byte) (any, error) { return struct{}{}, nil },
		run: func(context.Context, *api, *call, any) (any, error) {
			return nil, failure(codeNotFound, "there is no such method")
		},
	}
}

// byName has all methods that Centrifugo has.
var byName = func() map[string]method {
	all := map[string]method{}
	for _, m := range methods {
		all[m.name] = m
	}
	for _, name := range others {
		all[name] = other(name)
	}
	return all
}()

// byEnum finds a method by its number.
func byEnum(n int) method {
	for _, m := range methods {
		if m.enum == n {
			return m
		}
	}
	if n >= 0 && n < firstEnum {
		return other("this method")
	}
	return unknown("")
}
