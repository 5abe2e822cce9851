/* The JSON writer of json.h. What it writes is valid JSON for any strings and numbers given. */
#include "runtime/json.h"

#include <math.h>
#include <string.h>

JsonWriter json_writer(FileOutput *out, uint32_t flat) {
  return (JsonWriter){.out = out, .flat = flat};
}

static void line_break(JsonWriter *json) {
  if (json->depth >= json->flat) return;
  output_text(json->out, "\n");
  for (uint32_t i = 0; i < json->depth; i++) output_text(json->out, "  ");
}

/* What stands between this value or name and the one before. */
static void separate(JsonWriter *json) {
  if (json->named || json->depth == 0) {
    json->named = false;
    return;
  }
  bool *filled = &json->filled[json->depth - 1];
  if (*filled) output_text(json->out, json->depth >= json->flat && json->flat > 0 ? ", " : ",");
  *filled = true;
  line_break(json);
}

void json_open(JsonWriter *json, char bracket) {
  separate(json);
  output_put(json->out, &bracket, 1);
  json->close[json->depth] = bracket == '{' ? '}' : ']';
  json->filled[json->depth++] = false;
}

void json_close(JsonWriter *json) {
  bool filled = json->filled[--json->depth];
  /* The bracket of a flat value stands on the value's own line. */
  if (filled && json->depth + 1 < json->flat) line_break(json);
  output_put(json->out, &json->close[json->depth], 1);
}

bool json_escape(char c, char text[JSON_ESCAPE]) {
  if ((unsigned char)c < 0x20) return snprintf(text, JSON_ESCAPE, "\\u%04x", c), true;
  return (c == '"' || c == '\\') && (snprintf(text, JSON_ESCAPE, "\\%c", c), true);
}

static void quoted(FileOutput *out, const char *text) {
  output_text(out, "\"");
  for (char escape[JSON_ESCAPE]; *text; text++) {
    if (json_escape(*text, escape))
      output_text(out, escape);
    else
      output_put(out, text, 1);
  }
  output_text(out, "\"");
}

void json_name(JsonWriter *json, const char *name) {
  separate(json);
  quoted(json->out, name);
  output_text(json->out, json->flat > 0 ? ": " : ":");
  json->named = true;
}

void json_string(JsonWriter *json, const char *text) {
  separate(json);
  quoted(json->out, text);
}

void json_text(JsonWriter *json, const char *name, const char *text) {
  if (!text) return;
  json_name(json, name);
  json_string(json, text);
}

void json_u64(JsonWriter *json, uint64_t value) {
  separate(json);
  output_u64(json->out, value);
}

void json_double(JsonWriter *json, double value) {
  separate(json);
  if (isnan(value))
    output_text(json->out, "null");
  else if (isinf(value))
    output_text(json->out, value < 0 ? "-1e999" : "1e999");
  else
    output_double(json->out, value);
}

void json_bool(JsonWriter *json, bool value) {
  separate(json);
  output_text(json->out, value ? "true" : "false");
}

void json_hex(JsonWriter *json, uint64_t value, int digits) {
  char text[24];
  snprintf(text, sizeof text, "\"%0*llx\"", digits, (unsigned long long)value);
  separate(json);
  output_text(json->out, text);
}
