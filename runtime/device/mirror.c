/* Slots on a card and on the host: see device.h. */
#include "runtime/device/internal.h"
#include "runtime/rows.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Which side of a slot has the value; BATCH: the card will, when it takes a batch that waits. */
typedef enum Newer { BOTH, HOST, CARD, BATCH } Newer;

/* A batch that the next launch takes. */
typedef struct Batch {
  DevicePlace gather;
  const uint32_t *slots;
  uint32_t count;
} Batch;

/* Copies go through page-locked memory, so that the card makes them while the host goes on. */
enum { LANDINGS = 64 };

/* Bytes on their way to the host, which land where they belong when the card is done. */
typedef struct Landing {
  void *to;
  const char *from;
  uint64_t bytes;
} Landing;

struct Mirror {
  Device *device;
  char *host;
  DevicePlace memory; /* slots, and what RlcGpuCall says lies behind them */
  uint8_t *newer;     /* [slot_count] Newer */
  bool running;       /* something may not be done yet */
  char *desk;         /* [MIRROR_DESK] page-locked; used up to `desk_used` since the last wait */
  uint64_t desk_used;
  Landing landings[LANDINGS];
  uint32_t landing_count;
  Batch batches[RLC_GPU_BATCHES];
  uint32_t batch_count;
};

/* ---- making ---- */

/* The largest slots, in words. */
static void slots_largest(const RlcModule *module, char *text, size_t size) {
  uint64_t below = UINT64_MAX;
  size_t used = 0;
  text[0] = 0;
  for (int n = 0; n < 3 && used < size; n++) {
    const RlcSlot *best = NULL;
    for (uint32_t i = 0; i < module->slot_count; i++) {
      const RlcSlot *slot = &module->slots[i];
      if (slot->bytes < below && (!best || slot->bytes > best->bytes)) best = slot;
    }
    if (!best) return;
    used += (size_t)snprintf(text + used, size - used, "%s'%s' (%llu bytes)", n ? ", " : "",
                             best->name, (unsigned long long)best->bytes);
    below = best->bytes;
  }
}

static bool memory_refused(const Mirror *mirror, uint64_t bytes, RunError *error) {
  const Device *device = mirror->device;
  char largest[512];
  size_t left = 0, total = 0;
  device->driver.memory_facts(&left, &total);
  slots_largest(device->module, largest, sizeof largest);
  return run_fail_memory(
      error,
      "out of memory on %s: %llu bytes are needed beside what is taken, %zu of %zu are "
      "left; the largest tensors are %s",
      device->name, (unsigned long long)bytes, left, total, largest);
}

bool mirror_take(Mirror *mirror, DevicePlace *place, uint64_t bytes, RunError *error) {
  const Driver *driver = &mirror->device->driver;
  int result = driver->context_enter(mirror->device->context);
  if (result == 0) result = driver->memory_take(place, bytes + 64);
  if (result == DRIVER_OUT_OF_MEMORY) return memory_refused(mirror, bytes, error);
  if (result == 0) result = driver->memory_set(*place, 0, bytes + 64, mirror->device->stream);
  return result == 0 || driver_fail(driver, error, "no memory on the GPU", result);
}

void mirror_give_back(Mirror *mirror, DevicePlace place) {
  if (!place) return;
  device_drain(mirror->device);
  mirror->device->driver.memory_free(place);
}

Device *mirror_device(const Mirror *mirror) { return mirror->device; }

Mirror *mirror_make(Device *device, char *host, RunError *error) {
  const RlcModule *module = device->module;
  Mirror *mirror = run_take(1, sizeof *mirror, error);
  if (!mirror) return NULL;
  *mirror = (Mirror){.device = device, .host = host};
  mirror->newer = run_take(module->slot_count, 1, error);
  mirror->desk = device_host_take(device, MIRROR_DESK, error);
  if (mirror->newer && mirror->desk &&
      mirror_take(mirror, &mirror->memory, device->met + sizeof(uint32_t), error))
    return mirror;
  mirror_free(mirror);
  return NULL;
}

void mirror_free(Mirror *mirror) {
  if (!mirror) return;
  mirror_give_back(mirror, mirror->memory);
  device_host_free(mirror->device, mirror->desk);
  free(mirror->newer);
  free(mirror);
}

/* ---- copying ---- */

/* Whether the driver can be asked. */
static bool mirror_ready(Mirror *mirror) {
  return device_good(mirror->device, NULL) && device_enter(mirror->device);
}

static uint64_t slot_end(const RlcSlot *slot) {
  return slot->offset + (slot->bytes + SLOT_LINE - 1) / SLOT_LINE * SLOT_LINE;
}

/* A run of slots that lie one behind the other. */
typedef struct Span {
  uint32_t count; /* of them; 0: the first is not to be copied */
  uint64_t from, bytes;
} Span;

/* The slots of a list that lie behind its first, those in the state `which` where that is asked. */
static Span span_find(const Mirror *mirror, const uint32_t *slots, uint32_t count,
                      const Newer *which) {
  const RlcSlot *all = mirror->device->module->slots;
  Span span = {.from = all[slots[0]].offset};
  for (uint32_t i = 0; i < count; i++) {
    const RlcSlot *slot = &all[slots[i]];
    if (slot->offset != span.from + span.bytes || (which && mirror->newer[slots[i]] != *which))
      break;
    span.bytes = slot_end(slot) - span.from;
    span.count++;
  }
  return span;
}

/* Room on the desk, until the next wait; NULL when the device has failed. */
static char *desk_room(Mirror *mirror, uint64_t bytes) {
  uint64_t room = (bytes + SLOT_LINE - 1) / SLOT_LINE * SLOT_LINE;
  if (mirror->desk_used + room > MIRROR_DESK) mirror_wait(mirror);
  if (mirror->desk_used + room > MIRROR_DESK) return NULL;
  char *at = mirror->desk + mirror->desk_used;
  mirror->desk_used += room;
  mirror->running = true;
  return at;
}

/* Of what is left to copy, as much as goes at once. */
static uint64_t desk_part(uint64_t left) { return left < MIRROR_DESK ? left : MIRROR_DESK; }

/* Copies bytes of the host, which may change at once. */
static bool copy_in(Mirror *mirror, DevicePlace to, const char *from, uint64_t bytes,
                    const char *doing) {
  Device *device = mirror->device;
  for (uint64_t at = 0, part; at < bytes; at += part) {
    part = desk_part(bytes - at);
    char *room = desk_room(mirror, part);
    if (!room) return false;
    memcpy(room, from + at, part);
    int result = device->driver.copy_in(to + at, room, part, device->stream);
    if (!device_check(device, doing, result)) return false;
  }
  return true;
}

/* Copies to the host, where the bytes are after the next wait. */
static bool copy_out(Mirror *mirror, char *to, DevicePlace from, uint64_t bytes,
                     const char *doing) {
  Device *device = mirror->device;
  for (uint64_t at = 0, part; at < bytes; at += part) {
    part = desk_part(bytes - at);
    if (mirror->landing_count == LANDINGS) mirror_wait(mirror);
    char *room = mirror->landing_count < LANDINGS ? desk_room(mirror, part) : NULL;
    if (!room) return false;
    mirror->landings[mirror->landing_count++] = (Landing){to + at, room, part};
    int result = device->driver.copy_out(room, from + at, part, device->stream);
    if (!device_check(device, doing, result)) return false;
  }
  return true;
}

/* All that was begun is done. */
static void desk_clear(Mirror *mirror) {
  for (uint32_t i = 0; i < mirror->landing_count; i++)
    memcpy(mirror->landings[i].to, mirror->landings[i].from, mirror->landings[i].bytes);
  mirror->landing_count = 0;
  mirror->desk_used = 0;
}

/* Brings slots of a list, those in the state `which`, to the other side. */
static void slots_copy(Mirror *mirror, const uint32_t *slots, uint32_t count, Newer which) {
  for (uint32_t i = 0; i < count;) {
    Span span = span_find(mirror, slots + i, count - i, &which);
    char *host = mirror->host + span.from;
    DevicePlace card = mirror->memory + span.from;
    if (span.count &&
        !(which == HOST ? copy_in(mirror, card, host, span.bytes, "copying slots to the card")
                        : copy_out(mirror, host, card, span.bytes, "copying slots to the host")))
      return;
    for (uint32_t k = 0; k < span.count; k++) mirror->newer[slots[i + k]] = BOTH;
    i += span.count ? span.count : 1;
  }
}

void mirror_wait(Mirror *mirror) {
  Device *device = mirror->device;
  if (!mirror->running || !mirror_ready(mirror)) return;
  mirror->running = false;
  device_check(device, "waiting for the GPU", device->driver.stream_wait(device->stream));
  desk_clear(mirror);
}

void mirror_until_read(Mirror *mirror, volatile uint32_t *full) {
  Device *device = mirror->device;
  int result = DRIVER_NOT_READY;
  if (!*full || !mirror_ready(mirror)) return;
  while (*full && result == DRIVER_NOT_READY) {
    sched_yield();
    result = device->driver.stream_query(device->stream);
  }
  if (result != DRIVER_NOT_READY) device_check(device, "waiting for the GPU", result);
}

void mirror_fetch(Mirror *mirror, uint32_t slot) {
  if (mirror->newer[slot] == BATCH) mirror_take_batches(mirror);
  if (mirror->newer[slot] != CARD || !mirror_ready(mirror)) return;
  slots_copy(mirror, &slot, 1, CARD);
  mirror_wait(mirror);
}

void mirror_fetch_all(Mirror *mirror) {
  if (!mirror_ready(mirror)) return;
  mirror_take_batches(mirror);
  for (uint32_t i = 0; i < mirror->device->module->slot_count; i++) slots_copy(mirror, &i, 1, CARD);
  mirror_wait(mirror);
}

void mirror_store(Mirror *mirror, uint32_t slot) {
  if (mirror->newer[slot] == BATCH) mirror_take_batches(mirror);
  mirror->newer[slot] = HOST;
}

void mirror_store_all(Mirror *mirror) {
  mirror_take_batches(mirror);
  memset(mirror->newer, HOST, mirror->device->module->slot_count);
}

static void slot_give(Mirror *to, Mirror *from, uint32_t slot) {
  Device *device = to->device;
  const RlcSlot *place = &device->module->slots[slot];
  uint64_t at = place->offset;
  to->newer[slot] = from->newer[slot];
  if (from->newer[slot] != CARD) memcpy(to->host + at, from->host + at, place->bytes);
  if (from->newer[slot] == HOST) return;
  to->running = true;
  device_check(
      device, place->name,
      device->driver.copy_within(to->memory + at, from->memory + at, place->bytes, device->stream));
}

void mirror_give(Mirror *to, Mirror *from, const uint32_t *slots, uint32_t count) {
  if (!mirror_ready(to)) return;
  mirror_take_batches(to);
  mirror_take_batches(from);
  for (uint32_t i = 0; i < count; i++) slot_give(to, from, slots[i]);
}

void mirror_give_all(Mirror *to, Mirror *from) {
  if (!mirror_ready(to)) return;
  mirror_take_batches(to);
  mirror_take_batches(from);
  for (uint32_t i = 0; i < to->device->module->slot_count; i++) slot_give(to, from, i);
}

void mirror_note(Mirror *mirror, const uint32_t *slots, uint32_t count, char *to) {
  Device *device = mirror->device;
  if (!mirror_ready(mirror)) return;
  for (uint32_t i = 0; i < count;) {
    Span span = span_find(mirror, slots + i, count - i, NULL);
    int result =
        device->driver.copy_out(to, mirror->memory + span.from, span.bytes, device->stream);
    if (!device_check(device, "copying metrics", result)) return;
    to += span.bytes;
    i += span.count;
  }
  mirror->running = true;
}

/* ---- running ---- */

static void card_wrote(Mirror *mirror, const uint32_t *slots, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) mirror->newer[slots[i]] = CARD;
  mirror->running = true;
}

/* A run as the card is told of it, which takes the batches that wait. */
static RlcGpuRun run_of(Mirror *mirror, uint64_t seed, uint64_t draw) {
  RlcGpuRun run = {.memory = mirror->memory, .seed = seed, .step = draw};
  for (uint32_t i = 0; i < mirror->batch_count; i++) {
    const Batch *batch = &mirror->batches[i];
    run.batches[i] = batch->gather;
    card_wrote(mirror, batch->slots, batch->count);
  }
  mirror->batch_count = 0;
  return run;
}

/* The blocks that can be on the card at once, or `most` of them, are dealt out among the runs of
 * the call. */
static void launch(Device *device, const Kernel *kernel, uint64_t most, const char *name,
                   RlcGpuCall *call) {
  const RlcGpu *gpu = device->module->gpu;
  void *arguments[] = {call};
  call->reached = (uint64_t)(uintptr_t)device->reached;
  call->work = device->work;
  call->met = device->met;
  call->blocks = (uint32_t)(kernel->blocks < most ? kernel->blocks : most) / call->count;
  int result =
      device->driver.launch_together(kernel->driver, call->blocks * call->count, 1, 1, gpu->threads,
                                     1, 1, gpu->shared_bytes, device->stream, arguments);
  device_check(device, name, result);
}

void mirror_bring(const MirrorRun *run) {
  const RlcLaunch *table = &run->mirror->device->module->gpu->launches[run->program];
  if (mirror_ready(run->mirror)) slots_copy(run->mirror, table->reads, table->read_count, HOST);
}

/* Runs that fit into one launch. */
static void runs_launch(const MirrorRun *runs, uint32_t count) {
  Device *device = runs->mirror->device;
  const RlcLaunch *table = &device->module->gpu->launches[runs->program];
  RlcGpuCall call = {.count = count};
  for (uint32_t i = 0; i < count; i++) {
    const MirrorRun *run = &runs[i];
    mirror_bring(run);
    call.runs[i] = run_of(run->mirror, run->seed, run->draw);
  }
  launch(device, &device->kernels[runs->program], UINT64_MAX,
         device->module->programs[runs->program].name, &call);
  for (uint32_t i = 0; i < count; i++)
    card_wrote(runs[i].mirror, table->writes, table->write_count);
}

static uint32_t quotient_up(uint32_t x, uint32_t y) { return (x + y - 1) / y; }

void mirrors_run(const MirrorRun *runs, uint32_t count) {
  Mirror *mirror = runs->mirror;
  uint32_t most = mirror->device->kernels[runs->program].blocks;
  if (most > RLC_GPU_RUNS) most = RLC_GPU_RUNS;
  if (!mirror_ready(mirror)) return;
  for (uint32_t left = count; left > 0;) {
    uint32_t now = quotient_up(left, quotient_up(left, most));
    runs_launch(runs, now);
    runs += now;
    left -= now;
  }
}

/* Rows that a batch is to be taken from may be among what changes. */
void mirror_put(Mirror *mirror, DevicePlace to, const void *from, uint64_t bytes) {
  if (!mirror_ready(mirror)) return;
  mirror_take_batches(mirror);
  copy_in(mirror, to, from, bytes, "copying a replay");
}

char *mirror_desk(Mirror *mirror, uint64_t bytes) {
  return mirror_ready(mirror) ? desk_room(mirror, bytes) : NULL;
}

void mirror_scatter(Mirror *mirror, const RlcScatter *scatter) {
  Device *device = mirror->device;
  RlcGpuCall call = {.count = 1, .runs = {{mirror->memory, 0, 0, {(uintptr_t)scatter}}}};
  uint64_t blocks =
      (scatter->count + device->module->gpu->threads - 1) / device->module->gpu->threads;
  mirror_take_batches(mirror); /* of the rows as they were */
  if (mirror_ready(mirror)) launch(device, &device->scatter, blocks, "writing to a replay", &call);
}

void mirror_take_batches(Mirror *mirror) {
  if (!mirror->batch_count) return;
  RlcGpuCall call = {.count = 1, .runs = {run_of(mirror, 0, 0)}};
  if (mirror_ready(mirror))
    launch(mirror->device, &mirror->device->gather, UINT64_MAX, "taking a batch from a replay",
           &call);
}

void mirror_batch(Mirror *mirror, DevicePlace gather, const uint32_t *slots, uint32_t count) {
  bool again = false;
  for (uint32_t i = 0; i < count; i++) again |= mirror->newer[slots[i]] == BATCH;
  if (again || mirror->batch_count == RLC_GPU_BATCHES) mirror_take_batches(mirror);
  mirror->batches[mirror->batch_count++] = (Batch){gather, slots, count};
  for (uint32_t i = 0; i < count; i++) mirror->newer[slots[i]] = BATCH;
}
