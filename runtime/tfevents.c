/* Writes event records; see tfevents.h. Field numbers are those of the public messages:
 *   Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
 *   Summary { repeated Value value = 1; }     Value { string tag = 1; float simple_value = 2; } */
#include "runtime/tfevents.h"

#include "runtime/crc32c.h"
#include <string.h>

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 }; /* wire types */

typedef struct Message {
  size_t used;
  char bytes[TFEVENTS_TAG + 64];
} Message;

static void message_bytes(Message *message, const void *data, size_t bytes) {
  memcpy(message->bytes + message->used, data, bytes);
  message->used += bytes;
}

static void message_varint(Message *message, uint64_t value) {
  for (; value >= 0x80; value >>= 7) message->bytes[message->used++] = (char)(value | 0x80);
  message->bytes[message->used++] = (char)value;
}

static void message_key(Message *message, int field, int wire) {
  message_varint(message, (uint64_t)field << 3 | (uint64_t)wire);
}

static void message_block(Message *message, int field, const void *data, size_t bytes) {
  message_key(message, field, LENGTH);
  message_varint(message, bytes);
  message_bytes(message, data, bytes);
}

static void message_time(Message *message, double seconds) {
  message_key(message, 1, FIXED64);
  message_bytes(message, &seconds, sizeof seconds);
}

static void write_record(FileOutput *out, const Message *message) {
  uint64_t length = message->used;
  uint32_t length_crc = crc32c_mask(crc32c(0, &length, sizeof length));
  uint32_t data_crc = crc32c_mask(crc32c(0, message->bytes, message->used));
  output_put(out, &length, sizeof length);
  output_put(out, &length_crc, sizeof length_crc);
  output_put(out, message->bytes, message->used);
  output_put(out, &data_crc, sizeof data_crc);
}

void tfevents_version(FileOutput *out, double seconds) {
  static const char version[] = "brain.Event:2";
  Message event = {0};
  message_time(&event, seconds);
  message_block(&event, 3, version, sizeof version - 1);
  write_record(out, &event);
}

void tfevents_scalar(FileOutput *out, double seconds, uint64_t step, const char *tag,
                     double value) {
  float simple = (float)value;
  Message entry = {0}, summary = {0}, event = {0};
  message_block(&entry, 1, tag, strnlen(tag, TFEVENTS_TAG - 1));
  message_key(&entry, 2, FIXED32);
  message_bytes(&entry, &simple, sizeof simple);
  message_block(&summary, 1, entry.bytes, entry.used);
  message_time(&event, seconds);
  message_key(&event, 2, VARINT);
  message_varint(&event, step);
  message_block(&event, 5, summary.bytes, summary.used);
  write_record(out, &event);
}
