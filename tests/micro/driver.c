/* Runs the front end on the samples of the standard input and writes frames to the standard output,
 * both as the machine stores them.
 *
 * usage: driver SAMPLES_PER_PUSH clip|stream|clips [SCALE ZERO_POINT]
 *
 * A clip is finished, a stream is not; `clips` computes the clip twice with one state, the first
 * time broken off in the middle. With a scale and a zero point frames are int8. */
#include "front_end.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static front_end_state state;
static int is_quantised, zero_point;
static float scale;

static bool write_frame(void) {
    float row[FRONT_END_MEL_BINS];
    int8_t integers[FRONT_END_MEL_BINS];
    const bool is_there = is_quantised ? front_end_next_int8(&state, integers, scale, zero_point)
                                       : front_end_next(&state, row);
    if (is_there && is_quantised) {
        fwrite(integers, 1, sizeof integers, stdout);
    } else if (is_there) {
        fwrite(row, 1, sizeof row, stdout);
    }
    return is_there;
}

static void push(const front_end_sample *samples, size_t count, size_t per_push) {
    while (count > 0) {
        const size_t given = count < per_push ? count : per_push;
        const size_t taken = front_end_push(&state, samples, given);
        samples += taken;
        count -= taken;
        while (write_frame()) {
        }
    }
}

static void finish(const front_end_sample *samples) {
    front_end_finish(&state);
    while (write_frame()) {
        front_end_finish(&state); /* again, which changes nothing */
    }
    if (front_end_push(&state, samples, 1) != 0 || write_frame()) {
        exit(3); /* an ended clip takes and gives nothing */
    }
}

static front_end_sample *read_samples(size_t *count) {
    size_t room = 1 << 16;
    front_end_sample *samples = malloc(room * sizeof *samples);
    while ((*count += fread(samples + *count, sizeof *samples, room - *count, stdin)) == room) {
        room *= 2;
        samples = realloc(samples, room * sizeof *samples);
    }
    return samples;
}

int main(int argc, char **argv) {
    size_t count = 0;
    front_end_sample *samples = read_samples(&count);
    const size_t per_push = (size_t)atol(argv[1]);
    is_quantised = argc > 3;
    if (is_quantised) {
        scale = (float)atof(argv[3]);
        zero_point = atoi(argv[4]);
    }
    memset(&state, 0x7f, sizeof state); /* start sets all that is read */
    front_end_start(&state);
    if (strcmp(argv[2], "clips") == 0) {
        push(samples, count / 2, per_push);
        front_end_start(&state);
    }
    push(samples, count, per_push);
    if (strcmp(argv[2], "stream") != 0) {
        finish(samples);
    }
    free(samples);
    return 0;
}
