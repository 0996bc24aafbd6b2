/* The log-mel front end; front_end.h says how to use it. */
#define FRONT_END_TABLES /* front_end_config.h then has the tables too */
#include "front_end.h"

#include <math.h>
#include <string.h>

#define FFT_SAMPLES FRONT_END_FFT_SAMPLES
#define FFT_BINS (FFT_SAMPLES / 2 + 1)
#define HISTORY_SAMPLES FRONT_END_HISTORY_SAMPLES
/* A frame's centre is the middle of the history. */
#define CENTRE (HISTORY_SAMPLES / 2)
/* Pre-emphasis makes one value of two samples: it delays the stream by a sample. */
#define DELAY (FRONT_END_HAS_PRE_EMPHASIS ? 1 : 0)

/* What full scale is in the history. */
#if FRONT_END_FLOAT_SAMPLES || FRONT_END_HAS_PRE_EMPHASIS
#define KEPT_SCALE 1.0f
#else
#define KEPT_SCALE (1.0f / 32768.0f)
#endif

/* Compilation fails here if the stated sizes are wrong on this platform. */
typedef char ram_bytes_are_as_stated[sizeof(front_end_state) == FRONT_END_RAM_BYTES ? 1 : -1];

/* --- The FFT ---------------------------------------------------------------------------------- */

#ifndef FRONT_END_RFFT
#define FRONT_END_RFFT real_fft

/* N real numbers are transformed as N / 2 complex ones, which lie in the same memory. */
#define POINTS (FFT_SAMPLES / 2)

typedef struct {
    float re, im;
} complex_float;

/* exp(-2 pi i k / N) for k < N / 2, from a quarter of a cosine. */
static complex_float root(size_t k) {
    const size_t quarter = FFT_SAMPLES / 4;
    complex_float value;
    if (k <= quarter) {
        value.re = front_end_cosine[k];
        value.im = -front_end_cosine[quarter - k];
    } else {
        value.re = -front_end_cosine[2 * quarter - k];
        value.im = -front_end_cosine[k - quarter];
    }
    return value;
}

static complex_float product(complex_float a, complex_float b) {
    complex_float value;
    value.re = a.re * b.re - a.im * b.im;
    value.im = a.re * b.im + a.im * b.re;
    return value;
}

static complex_float get(const float *data, size_t point) {
    complex_float value;
    value.re = data[2 * point];
    value.im = data[2 * point + 1];
    return value;
}

static void set(float *data, size_t point, float re, float im) {
    data[2 * point] = re;
    data[2 * point + 1] = im;
}

/* Moves every point to the place whose binary digits are its own in reverse. */
static void reverse_bits(float *data) {
    size_t reversed = 0;
    for (size_t point = 1; point < POINTS; point++) {
        size_t bit = POINTS / 2;
        for (; reversed & bit; bit /= 2) {
            reversed ^= bit;
        }
        reversed |= bit;
        if (point < reversed) {
            const complex_float a = get(data, point), b = get(data, reversed);
            set(data, point, b.re, b.im);
            set(data, reversed, a.re, a.im);
        }
    }
}

/* The complex FFT of Cooley and Tukey: radix 2, decimation in time, in place. */
static void complex_fft(float *data) {
    reverse_bits(data);
    for (size_t span = 1; span < POINTS; span *= 2) {
        for (size_t offset = 0; offset < span; offset++) {
            const complex_float twiddle = root(offset * (POINTS / span));
            for (size_t upper = offset; upper < POINTS; upper += 2 * span) {
                const complex_float a = get(data, upper);
                const complex_float b = product(get(data, upper + span), twiddle);
                set(data, upper, a.re + b.re, a.im + b.im);
                set(data, upper + span, a.re - b.re, a.im - b.im);
            }
        }
    }
}

/* The transform of real numbers, in place and in the order that front_end.h describes.
 *
 * With z[n] = x[2n] + i x[2n + 1] and its transform Z, the even and the odd samples have the
 * transforms E[k] = (Z[k] + conj Z[N/2 - k]) / 2 and O[k] = (Z[k] - conj Z[N/2 - k]) / 2i. Then
 * X[k] = E[k] + root(k) O[k], and X[N/2 - k] = conj(E[k] - root(k) O[k]). */
static float *real_fft(float *frame) {
    complex_fft(frame);
    const complex_float zero = get(frame, 0);
    set(frame, 0, zero.re + zero.im, zero.re - zero.im);
    for (size_t k = 1; k <= POINTS / 2; k++) {
        const complex_float a = get(frame, k), b = get(frame, POINTS - k);
        complex_float even, odd;
        even.re = 0.5f * (a.re + b.re);
        even.im = 0.5f * (a.im - b.im);
        odd.re = 0.5f * (a.im + b.im);
        odd.im = 0.5f * (b.re - a.re);
        odd = product(odd, root(k));
        set(frame, k, even.re + odd.re, even.im + odd.im);
        set(frame, POINTS - k, even.re - odd.re, odd.im - even.im);
    }
    return frame;
}

typedef char table_bytes_are_as_stated[sizeof front_end_window + sizeof front_end_cosine +
                                                   sizeof front_end_first_bins +
                                                   sizeof front_end_bin_counts +
                                                   sizeof front_end_weights ==
                                               FRONT_END_TABLE_BYTES
                                           ? 1
                                           : -1];
#endif

/* --- The stream ------------------------------------------------------------------------------- */

/* The history of the next frame is HISTORY_SAMPLES values around its centre. The first frame's
 * centre is the clip's first value, so the places before it wait for the reflected start. With
 * pre-emphasis the first sample makes no value; what it leaves lies in one of these places. */
void front_end_start(front_end_state *state) {
    state->filled = CENTRE - DELAY;
    state->end = -1;
    state->is_first = 1;
#if FRONT_END_HAS_PRE_EMPHASIS
    state->previous = 0.0f;
#endif
}

static front_end_kept kept(front_end_state *state, front_end_sample sample) {
#if FRONT_END_HAS_PRE_EMPHASIS
    const float scale = FRONT_END_FLOAT_SAMPLES ? 1.0f : 1.0f / 32768.0f;
    const float value = scale * (float)sample;
    const float emphasised = value - FRONT_END_PRE_EMPHASIS * state->previous;
    state->previous = value;
    return emphasised;
#else
    (void)state;
    return sample;
#endif
}

size_t front_end_push(front_end_state *state, const front_end_sample *samples, size_t count) {
    size_t taken = 0;
    if (state->end >= 0) {
        return 0;
    }
    while (taken < count && state->filled < HISTORY_SAMPLES) {
        state->history[state->filled++] = kept(state, samples[taken++]);
    }
    return taken;
}

void front_end_finish(front_end_state *state) {
    if (state->end >= 0) {
        return;
    }
    /* A clip that is too short for its first frame has none. */
    state->end = state->is_first && state->filled < HISTORY_SAMPLES ? 0 : state->filled;
}

/* Whether the ended clip has another frame: it has one for every whole hop of samples. */
static bool frame_is_due(const front_end_state *state) {
    return state->end - CENTRE + DELAY >= FRONT_END_HOP_SAMPLES;
}

/* Fills the history with the clip's reflection at its last value. */
static void reflect_end(front_end_state *state) {
    const int32_t last = state->end - 1;
    for (; state->filled < HISTORY_SAMPLES; state->filled++) {
        state->history[state->filled] = state->history[2 * last - state->filled];
    }
}

/* Fills the places before the clip's first value with its reflection there. */
static void reflect_start(front_end_state *state) {
    for (int32_t place = 0; place < CENTRE; place++) {
        state->history[place] = state->history[2 * CENTRE - place];
    }
    state->is_first = 0;
}

static bool prepare_history(front_end_state *state) {
    if (state->end >= 0) {
        if (!frame_is_due(state)) {
            return false;
        }
        reflect_end(state);
    }
    if (state->filled < HISTORY_SAMPLES) {
        return false;
    }
    if (state->is_first) {
        reflect_start(state);
    }
    return true;
}

/* Moves on by a hop, which is shorter than the history. */
static void advance(front_end_state *state) {
    const size_t left = (size_t)(HISTORY_SAMPLES - FRONT_END_HOP_SAMPLES);
    memmove(state->history, state->history + FRONT_END_HOP_SAMPLES, left * sizeof(front_end_kept));
    state->filled -= FRONT_END_HOP_SAMPLES;
    if (state->end >= 0) {
        state->end -= FRONT_END_HOP_SAMPLES;
    }
}

/* --- A frame ---------------------------------------------------------------------------------- */

/* The window stands at the start of the FFT: where it stands does not change the power. One half of
 * it is stored, because the other is its reflection. */
static void window_frame(front_end_state *state) {
    for (int32_t n = 0; n < FRONT_END_WINDOW_SAMPLES; n++) {
        const int32_t mirrored = FRONT_END_WINDOW_PERIOD - n;
        const float weight = front_end_window[n < mirrored ? n : mirrored];
        state->frame[n] = weight * (KEPT_SCALE * (float)state->history[n]);
    }
    memset(state->frame + FRONT_END_WINDOW_SAMPLES, 0,
           (FFT_SAMPLES - FRONT_END_WINDOW_SAMPLES) * sizeof(float));
}

/* Replaces a spectrum in the order of front_end.h by the power of its FFT_BINS bins. */
static void spectrum_to_power(float *spectrum) {
    const float highest = spectrum[1] * spectrum[1];
    spectrum[0] *= spectrum[0];
    for (size_t bin = 1; bin < FFT_BINS - 1; bin++) {
        const float re = spectrum[2 * bin], im = spectrum[2 * bin + 1];
        spectrum[bin] = re * re + im * im;
    }
    spectrum[FFT_BINS - 1] = highest;
}

/* The power [FFT_BINS] of the next frame; NULL if there is none yet. */
static const float *next_power(front_end_state *state) {
    if (!prepare_history(state)) {
        return NULL;
    }
    window_frame(state);
    float *spectrum = FRONT_END_RFFT(state->frame);
    spectrum_to_power(spectrum);
    advance(state);
    return spectrum;
}

/* The level of a mel filter in dB.
 *
 * weights: those of the filter's FFT bins; the weights of the filters lie one after another. */
static float level_db(const float *power, size_t filter, const float *weights) {
    const float *const reached = power + front_end_first_bins[filter];
    float sum = 0.0f;
    for (size_t bin = 0; bin < front_end_bin_counts[filter]; bin++) {
        sum += weights[bin] * reached[bin];
    }
#if FRONT_END_ADDS_FLOOR
    sum += FRONT_END_POWER_FLOOR;
#else
    sum = sum > FRONT_END_POWER_FLOOR ? sum : FRONT_END_POWER_FLOOR;
#endif
    return 10.0f * log10f(sum);
}

bool front_end_next(front_end_state *state, float *log_mel) {
    const float *const power = next_power(state);
    const float *weights = front_end_weights;
    if (power == NULL) {
        return false;
    }
    for (size_t filter = 0; filter < FRONT_END_MEL_BINS; filter++) {
        log_mel[filter] = level_db(power, filter, weights);
        weights += front_end_bin_counts[filter];
    }
    return true;
}

static int8_t quantised(float value, float scale, int32_t zero_point) {
    const float step = roundf(value / scale) + (float)zero_point;
    if (!(step > -128.0f)) { /* written so that a NaN, of samples that are none, comes here */
        return -128;
    }
    return (int8_t)(step < 127.0f ? step : 127.0f);
}

bool front_end_next_int8(front_end_state *state, int8_t *log_mel, float scale, int32_t zero_point) {
    const float *const power = next_power(state);
    const float *weights = front_end_weights;
    if (power == NULL) {
        return false;
    }
    for (size_t filter = 0; filter < FRONT_END_MEL_BINS; filter++) {
        log_mel[filter] = quantised(level_db(power, filter, weights), scale, zero_point);
        weights += front_end_bin_counts[filter];
    }
    return true;
}
