package engine

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ours are the parameters of the HTTP interface, which are not settings of a query.
// Sessions are not kept: their parameters are accepted and mean nothing.
var ours = map[string]bool{
	"query": true, "database": true, "user": true, "password": true, "default_format": true, "query_id": true,
	"session_id": true, "session_timeout": true, "session_check": true,
	"compress": true, "decompress": true, "enable_http_compression": true, "http_zlib_compression_level": true,
	"network_compression_method": true, "network_zstd_compression_level": true, "buffer_size": true, "wait_end_of_query": true,
	"client_protocol_version": true, "stacktrace": true, "quota_key": true, "role": true, "log_comment": true,
	"send_progress_in_http_headers": true, "http_headers_progress_interval_ms": true, "send_timeout": true, "receive_timeout": true,
	"cancel_http_readonly_queries_on_client_close": true, "readonly": true, "connect_timeout": true, "async_insert": true,
	"add_http_cors_header": true, "http_write_exception_in_output_format": true, "http_response_headers": true,
}

// split sorts the address's parameters into settings and query parameters.
func split(q url.Values) (set map[string]string, params []param) {
	set = map[string]string{}
	for k, v := range q {
		if name, ok := strings.CutPrefix(k, "param_"); ok {
			params = append(params, param{name, v[0]})
		} else if !ours[k] {
			set[k] = v[0]
		}
	}
	return set, params
}

// arguments turns settings into arguments of a connection.
func (h *handler) arguments(who role, set map[string]string) ([]string, error) {
	var args []string
	seconds := int(analystTime / time.Second)
	for k, v := range set {
		if !h.known[k] {
			return nil, refuse(codeUnknownSetting, "UNKNOWN_SETTING", "Setting %q is neither a builtin setting nor started with the prefix 'param_'", k)
		}
		if who == writer {
			args = append(args, "--"+k+"="+v)
			continue
		}
		switch {
		case k == "max_execution_time":
			// Not a number, or none, leaves the limit as it is.
			if n, err := strconv.ParseFloat(v, 64); err == nil && n > 0 && n < float64(seconds) {
				seconds = max(1, int(n))
			}
		case tunable(k):
			args = append(args, "--"+k+"="+v)
		default:
			return nil, refuse(codeReadonly, "READONLY", "Cannot modify '%s' setting in readonly mode", k)
		}
	}
	if who == analyst {
		args = append(args, "--max_execution_time="+strconv.Itoa(seconds))
		args = append(args, analystSettings(h)...)
	}
	return args, nil
}

// tunable are settings that an analyst may give: how an answer looks, and how much of
// it there is. Those that name a file are out.
func tunable(k string) bool {
	if strings.Contains(k, "schema") || strings.Contains(k, "path") || strings.Contains(k, "file") {
		return false
	}
	switch k {
	case "date_time_output_format", "session_timezone", "join_use_nulls", "extremes", "max_block_size", "max_result_rows",
		"result_overflow_mode", "max_rows_to_read", "read_overflow_mode", "limit", "offset", "group_by_use_nulls",
		"final", "cast_keep_nullable", "prefer_column_name_to_alias", "transform_null_in":
		return true
	}
	return strings.HasPrefix(k, "output_format_")
}

func itoa[T ~int | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }
