/* Reads a WAV file, hop by hop, and prints its log-mel in dB: one line per frame.
 *
 *     cc -std=c99 -O2 main.c front_end.c -lm -o log_mel && ./log_mel recording.wav
 *
 * With -DWITH_NETWORK and the functions of network.h it prints the best class and its score for
 * every clip of the recording instead; clips lie side by side, and what is left over is not scored.
 * On a board, samples come from a microphone in place of a file. */
#include "front_end.h"

#include <stdio.h>
#include <string.h>

#ifdef WITH_NETWORK
#include "network.h"
static network_tensor input, output;
#endif

typedef struct {
    unsigned format, channels, rate_hz, bits;
} wav_format;

static front_end_state state;
static int32_t frames; /* of the present clip */

/* --- WAV -------------------------------------------------------------------------------------- */

static bool refuse(const char *path, const char *why) {
    fprintf(stderr, "%s %s\n", path, why);
    return false;
}

static unsigned long number(const unsigned char *bytes, int count) {
    unsigned long value = 0;
    while (count > 0) {
        value = value << 8 | bytes[--count];
    }
    return value;
}

static bool read_format(FILE *file, unsigned long size, wav_format *format) {
    unsigned char bytes[40] = {0};
    const size_t wanted = size < sizeof bytes ? (size_t)size : sizeof bytes;
    if (size < 16 || fread(bytes, 1, wanted, file) != wanted) {
        return false;
    }
    format->format = (unsigned)number(bytes, 2);
    if (format->format == 0xFFFE && wanted == 40) { /* extensible: the format stands further on */
        format->format = (unsigned)number(bytes + 24, 2);
    }
    format->channels = (unsigned)number(bytes + 2, 2);
    format->rate_hz = (unsigned)number(bytes + 4, 4);
    format->bits = (unsigned)number(bytes + 14, 2);
    return fseek(file, (long)(size - wanted + size % 2), SEEK_CUR) == 0;
}

/* Whether as many bytes follow; the file is left where it is. */
static bool has_bytes(FILE *file, unsigned long count) {
    const long here = ftell(file);
    if (here < 0 || fseek(file, 0, SEEK_END) != 0) {
        return false;
    }
    const long end = ftell(file);
    return fseek(file, here, SEEK_SET) == 0 && end >= here && (unsigned long)(end - here) >= count;
}

static bool check_format(const char *path, const wav_format *format) {
    if (format->format == 1 && format->bits == 16 && format->channels == 1 &&
        format->rate_hz == FRONT_END_SAMPLE_RATE_HZ) {
        return true;
    }
    fprintf(stderr, "%s has %u channel%s of %u bits (format %u) at %u Hz; the front end takes one "
            "channel of 16-bit PCM (format 1) at %d Hz: convert the file\n", path, format->channels,
            format->channels == 1 ? "" : "s", format->bits, format->format, format->rate_hz,
            FRONT_END_SAMPLE_RATE_HZ);
    return false;
}

/* Moves to the samples and returns their number; says what is wrong if there are none to read. */
static bool find_samples(FILE *file, const char *path, unsigned long *samples) {
    unsigned char header[12];
    wav_format format = {0, 0, 0, 0};
    if (fread(header, 1, 12, file) != 12 || memcmp(header, "RIFF", 4) != 0 ||
        memcmp(header + 8, "WAVE", 4) != 0) {
        return refuse(path, "is no WAV file");
    }
    while (fread(header, 1, 8, file) == 8) {
        const unsigned long size = number(header + 4, 4);
        if (memcmp(header, "data", 4) == 0) {
            *samples = size / 2;
            return check_format(path, &format) &&
                   (has_bytes(file, size) || refuse(path, "ends before its last sample"));
        }
        if (!has_bytes(file, size)) {
            break;
        }
        if (memcmp(header, "fmt ", 4) == 0) {
            if (!read_format(file, size, &format)) {
                break;
            }
        } else if (fseek(file, (long)(size + size % 2), SEEK_CUR) != 0) {
            break;
        }
    }
    return refuse(path, "is a WAV file without samples, or a damaged one");
}

static bool read_hop(FILE *file, front_end_sample *hop) {
    static unsigned char bytes[2 * FRONT_END_HOP_SAMPLES];
    if (fread(bytes, 1, sizeof bytes, file) != sizeof bytes) {
        return false;
    }
    for (size_t i = 0; i < FRONT_END_HOP_SAMPLES; i++) {
        const long value = (long)number(bytes + 2 * i, 2);
        const int16_t sample = (int16_t)(value < 32768 ? value : value - 65536);
#if FRONT_END_FLOAT_SAMPLES
        hop[i] = (float)sample / 32768.0f;
#else
        hop[i] = sample;
#endif
    }
    return true;
}

/* --- Front end and network -------------------------------------------------------------------- */

/* Takes the frames that are there: prints them, or writes them to the network's input. */
static void take_frames(void) {
#ifdef WITH_NETWORK
    /* A clip of input.count / FRONT_END_MEL_BINS hops has as many frames. */
    while (front_end_next_int8(&state, input.values + frames * FRONT_END_MEL_BINS, input.scale,
                               input.zero_point)) {
        frames++;
    }
#else
    float row[FRONT_END_MEL_BINS];
    while (front_end_next(&state, row)) {
        for (int bin = 0; bin < FRONT_END_MEL_BINS; bin++) {
            printf("%s%.5f", bin ? " " : "", (double)row[bin]);
        }
        printf("\n");
        frames++;
    }
#endif
}

static bool read_clip(FILE *file, unsigned long hops) {
    static front_end_sample hop[FRONT_END_HOP_SAMPLES];
    frames = 0;
    front_end_start(&state);
    for (; hops > 0; hops--) {
        size_t taken = 0;
        if (!read_hop(file, hop)) {
            return false;
        }
        while (taken < FRONT_END_HOP_SAMPLES) {
            taken += front_end_push(&state, hop + taken, FRONT_END_HOP_SAMPLES - taken);
            take_frames();
        }
    }
    front_end_finish(&state);
    take_frames();
    return true;
}

#ifdef WITH_NETWORK
static void print_best(unsigned long clip, unsigned long clip_hops) {
    const double hop_secs = (double)FRONT_END_HOP_SAMPLES / FRONT_END_SAMPLE_RATE_HZ;
    int32_t best = 0;
    for (int32_t index = 1; index < output.count; index++) {
        best = output.values[index] > output.values[best] ? index : best;
    }
    printf("%.2f s  %.3f  %s\n", (double)clip * (double)clip_hops * hop_secs,
           (double)output.scale * (output.values[best] - output.zero_point), network_label(best));
}

static bool process(FILE *file, const char *path, unsigned long hops) {
    if (!network_start(&input, &output)) {
        return refuse("the network", "cannot be started: see the micro library's messages");
    }
    const unsigned long clip_hops = (unsigned long)(input.count / FRONT_END_MEL_BINS);
    if (hops < clip_hops) {
        return refuse(path, "is shorter than the clips that the network takes");
    }
    for (unsigned long clip = 0; clip < hops / clip_hops; clip++) {
        if (!read_clip(file, clip_hops)) {
            return refuse(path, "cannot be read");
        }
        if (!network_run()) {
            return refuse("the network", "cannot be run: see the micro library's messages");
        }
        print_best(clip, clip_hops);
    }
    return true;
}
#else
static bool process(FILE *file, const char *path, unsigned long hops) {
    return read_clip(file, hops) || refuse(path, "cannot be read");
}
#endif

static bool process_file(FILE *file, const char *path) {
    unsigned long samples = 0;
    if (!find_samples(file, path, &samples)) {
        return false;
    }
    const unsigned long hops = samples / FRONT_END_HOP_SAMPLES;
    if (hops * FRONT_END_HOP_SAMPLES < FRONT_END_MIN_SAMPLES) {
        return refuse(path, "is shorter than a window of the front end");
    }
    return process(file, path, hops);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: %s RECORDING.wav\n", argv[0]);
        return 2;
    }
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) {
        refuse(argv[1], "cannot be opened");
        return 1;
    }
    const bool is_done = process_file(file, argv[1]);
    fclose(file);
    return is_done ? 0 : 1;
}
