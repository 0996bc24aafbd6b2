/* Log-mel in dB of a stream of samples, hop by hop: a network's front end, in C99.
 *
 * The values are those of `aec_ofa_tf.log_mel`, within 1e-3 dB in bins that lie within 60 dB of the
 * clip's maximum. Nothing is allocated, nothing is global: everything lives in a front_end_state of
 * FRONT_END_RAM_BYTES, which the caller owns. Of the C library, memset, memmove, log10f and roundf
 * are used. The parameters are in front_end_config.h, which is written for one front end.
 *
 * A clip, whose samples are a multiple of FRONT_END_HOP_SAMPLES and at least FRONT_END_MIN_SAMPLES:
 *
 *     static front_end_state state;
 *     float row[FRONT_END_MEL_BINS];
 *
 *     front_end_start(&state);
 *     while (count > 0) {
 *         size_t taken = front_end_push(&state, samples, count);
 *         samples += taken;
 *         count -= taken;
 *         while (front_end_next(&state, row)) { ...one frame... }
 *     }
 *     front_end_finish(&state);
 *     while (front_end_next(&state, row)) { ...one of the last frames... }
 *
 * This gives one frame per hop, the whole log-mel of the clip with both of its edges. Frame f is
 * centred at sample f * FRONT_END_HOP_SAMPLES and is there as soon as the
 * FRONT_END_LOOKAHEAD_SAMPLES samples after that one have been pushed. Where a window reaches over
 * an end of the clip, the clip is reflected there.
 *
 * A stream without an end is the same without front_end_finish. Its frames are those of a clip,
 * except that only frames at the start of the stream see an edge.
 */
#ifndef FRONT_END_H
#define FRONT_END_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "front_end_config.h"

#ifdef __cplusplus
extern "C" {
#endif

#if FRONT_END_FLOAT_SAMPLES
typedef float front_end_sample; /* nominally -1 to 1 */
#else
typedef int16_t front_end_sample; /* full scale is 32768 */
#endif

/* What is kept of a sample: pre-emphasis is applied when it arrives and leaves no integer. */
#if FRONT_END_HAS_PRE_EMPHASIS
typedef float front_end_kept;
#else
typedef front_end_sample front_end_kept;
#endif

/* The state of one stream. Its members are private. */
typedef struct {
    /* The windowed frame, then its spectrum, then its power; aligned for vector instructions if the
     * caller aligns the struct. */
    float frame[FRONT_END_FFT_SAMPLES];
    /* Samples from the first that the next frame needs on; one place more than are used, so that
     * the struct has no padding. */
    front_end_kept history[FRONT_END_HISTORY_SAMPLES + 1];
#if FRONT_END_HAS_PRE_EMPHASIS
    float previous; /* the latest sample */
#endif
    int32_t filled;   /* places of the history that are in use */
    int32_t end;      /* those of them before the clip's end, once it has ended; -1 before */
    int32_t is_first; /* whether the next frame is the clip's first */
} front_end_state;

/* Starts a clip or a stream; whatever the state was before. */
void front_end_start(front_end_state *state);

/* Takes samples until the next frame can be computed, and returns how many it has taken.
 *
 * It takes none while a frame waits for front_end_next, and none after front_end_finish. */
size_t front_end_push(front_end_state *state, const front_end_sample *samples, size_t count);

/* Ends the clip. front_end_next then returns its last frames. */
void front_end_finish(front_end_state *state);

/* Computes the next frame if its samples are there: FRONT_END_MEL_BINS values in dB.
 *
 * Returns false, and writes nothing, if they are not, or if the clip has no more frames. */
bool front_end_next(front_end_state *state, float *log_mel);

/* The same, quantised for a model's int8 input: round(dB / scale) + zero_point, limited to -128 to
 * 127. scale and zero_point are those of the model's input tensor. */
bool front_end_next_int8(front_end_state *state, int8_t *log_mel, float scale, int32_t zero_point);

#ifdef FRONT_END_RFFT
/* An FFT of the platform's in place of the one here, if FRONT_END_RFFT is defined as the name of a
 * function: the discrete Fourier transform X of FRONT_END_FFT_SAMPLES real numbers, not scaled.
 *
 * It may overwrite `frame`, and returns where the spectrum is, `frame` or an array of its own of
 * the same size: Re X[0], Re X[N / 2], Re X[1], Im X[1], Re X[2], Im X[2], ... This is the order of
 * CMSIS-DSP's arm_rfft_fast_f32. The signs of the imaginary parts do not matter. */
float *FRONT_END_RFFT(float *frame);
#endif

#ifdef __cplusplus
}
#endif

#endif
