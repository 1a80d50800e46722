package engine

import (
	"maps"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reserved are the parameters of ClickHouse's HTTP interface that are not settings, and
// settings that the interface itself obeys. All of them do something.
var reserved = map[string]bool{
	"query": true, "database": true, "user": true, "password": true, "query_id": true, "default_format": true,
	"compress": true, "decompress": true, "network_compression_method": true,
	"enable_http_compression": true, "http_zlib_compression_level": true,
	"wait_end_of_query": true, "http_wait_end_of_query": true, "buffer_size": true, "http_response_buffer_size": true,
	"http_write_exception_in_output_format": true, "client_protocol_version": true, "add_http_cors_header": true,
	"session_timeout": true, "session_check": true, "role": true,
}

// idle are parameters that clients send unasked. They are taken, and what they ask for
// makes no difference here; the value says why.
var idle = map[string]string{
	"session_id":    "each request stands alone: analysts have nothing that a session could keep",
	"close_session": "as session_id",
	"quota_key":     "there are no quotas",
	"stacktrace":    "errors come without stack traces",
	"readonly":      "analysts are read-only in any case, and the writer never is",
	"log_comment":   "there is no query log",
	"async_insert":  "inserts are never put off", "wait_for_async_insert": "as async_insert",
	"send_progress_in_http_headers": "progress is told at the end, in X-ClickHouse-Summary", "http_headers_progress_interval_ms": "as send_progress_in_http_headers",
	"cancel_http_readonly_queries_on_client_close": "a query always ends when its asker leaves",
	"connect_timeout": "it is the client's", "send_timeout": "it is the client's", "receive_timeout": "it is the client's",
	"network_zstd_compression_level": "ClickHouse's own blocks are compressed as fast as possible",
	"use_query_cache":                "there is no query cache", "enable_reads_from_query_cache": "as use_query_cache", "enable_writes_to_query_cache": "as use_query_cache",
	"query_cache_ttl": "as use_query_cache", "query_cache_nondeterministic_function_handling": "as use_query_cache", "query_cache_system_table_handling": "as use_query_cache",
}

// tunable are the settings that an analyst may give: how an answer looks, how a query is
// read, and how much of it there is. Each of output_format_* may be given as well, apart
// from those that name a file.
var tunable = words(`
	date_time_output_format date_time_input_format session_timezone format_csv_delimiter format_tsv_null_representation format_csv_null_representation
	join_use_nulls join_algorithm join_default_strictness any_join_distinct_right_table_keys max_rows_in_join max_bytes_in_join join_overflow_mode
	extremes totals_mode group_by_use_nulls final transform_null_in cast_keep_nullable prefer_column_name_to_alias
	aggregate_functions_null_for_empty empty_result_for_aggregation_by_empty_set union_default_mode intersect_default_mode except_default_mode
	count_distinct_implementation decimal_check_overflow low_cardinality_allow_in_native_format asterisk_include_alias_columns
	enable_analyzer allow_experimental_analyzer optimize_move_to_prewhere max_subquery_depth enable_unaligned_array_join
	limit offset max_result_rows result_overflow_mode
	max_rows_to_read max_bytes_to_read read_overflow_mode max_rows_to_group_by group_by_overflow_mode max_rows_to_sort max_bytes_to_sort sort_overflow_mode
	max_rows_in_distinct max_bytes_in_distinct distinct_overflow_mode max_rows_in_set max_bytes_in_set set_overflow_mode timeout_overflow_mode
	describe_compact_output describe_include_subcolumns describe_extend_object_types print_pretty_type_names show_create_query_identifier_quoting_rule
	show_table_uuid_in_table_create_query_if_not_nil`)

// bounded are settings that an analyst may lower, with the most that they can be.
func bounded() map[string]int64 {
	return map[string]int64{
		"max_execution_time": int64(analystTime / time.Second),
		"max_memory_usage":   analystMemory,
		"max_threads":        analystThreads(),
		"max_block_size":     analystBlock,
		"max_result_bytes":   maxResult,
	}
}

const (
	// analystBlock is ClickHouse's own default: the engine looks at a cancellation between
	// two blocks, so that larger ones would run on for longer.
	analystBlock = 65409
	// maxResult is no bound; answers that cannot be streamed have one of their own.
	maxResult = 1 << 60
)

// analystThreads leaves half of the machine to everything else.
func analystThreads() int64 { return int64(max(1, runtime.NumCPU()/2)) }

// analystSettings are laid on every connection of an analyst, after what is asked for.
var analystSettings = []string{
	"--priority=1", "--allow_introspection_functions=0", "--implicit_select=0", "--use_query_cache=0",
	// Refuses writes and changes of settings.
	"--readonly=1",
}

// split sorts the address's parameters into settings and query parameters.
func split(q url.Values) (set map[string]string, params []param) {
	set = map[string]string{}
	for name, values := range q {
		value := values[len(values)-1] // the last one counts, as with a server
		if short, ok := strings.CutPrefix(name, "param_"); ok {
			params = append(params, param{short, value})
		} else if name != "" && !reserved[name] && idle[name] == "" {
			set[name] = value
		}
	}
	return set, params
}

// arguments turns settings into arguments of a connection.
func (h *handler) arguments(who role, set map[string]string) ([]string, error) {
	for name := range set {
		if !h.known[name] {
			return nil, refuse(codeUnknownSetting, "UNKNOWN_SETTING", "Setting %s is neither a builtin setting nor started with the prefix 'param_'", name)
		}
	}
	args := make([]string, 0, len(set)+len(analystSettings)+len(bounded()))
	if who == analyst {
		return h.analystArguments(args, set)
	}
	for name, value := range set {
		args = append(args, "--"+name+"="+value)
	}
	return args, nil
}

func (h *handler) analystArguments(args []string, set map[string]string) ([]string, error) {
	limits := bounded()
	for _, name := range slices.Sorted(maps.Keys(set)) {
		switch most, ok := limits[name]; {
		case ok:
			// Not a number, or none, leaves the limit as it is.
			if n, err := strconv.ParseFloat(set[name], 64); err == nil && n > 0 && n < float64(most) {
				limits[name] = max(1, int64(n))
			}
		case isTunable(name):
			args = append(args, "--"+name+"="+set[name])
		case idle[name] != "" && name != "readonly": // who writes readonly into the query wants it changed
		default:
			return nil, refuse(codeReadonly, "READONLY", "Cannot modify '%s' setting in readonly mode: the settings that this user may give are listed in docs/clickhouse.md", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		if limits[name] != maxResult {
			args = append(args, "--"+name+"="+strconv.FormatInt(limits[name], 10))
		}
	}
	return append(args, analystSettings...), nil
}

// isTunable leaves out what names a file.
func isTunable(name string) bool {
	if tunable[name] {
		return true
	}
	return strings.HasPrefix(name, "output_format_") && !strings.Contains(name, "schema") && !strings.Contains(name, "path") && !strings.Contains(name, "file")
}

func itoa[T ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }
