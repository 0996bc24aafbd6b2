/* A discrete Fourier transform by its definition, in double precision and not in place: what a
 * platform's own FFT may look like to the front end. */
#include "front_end.h"

#include <math.h>

float *slow_fft(float *frame) {
    static float spectrum[FRONT_END_FFT_SAMPLES];
    static double cosine[FRONT_END_FFT_SAMPLES];
    const size_t size = FRONT_END_FFT_SAMPLES, quarter = size / 4;
    if (cosine[0] == 0.0) {
        for (size_t n = 0; n < size; n++) {
            cosine[n] = cos(2.0 * 3.14159265358979323846 * (double)n / (double)size);
        }
    }
    for (size_t k = 0; k <= size / 2; k++) {
        double re = 0.0, im = 0.0;
        for (size_t n = 0; n < size; n++) {
            re += cosine[k * n % size] * (double)frame[n];
            im += cosine[(k * n + quarter) % size] * (double)frame[n];
        }
        spectrum[k < size / 2 ? 2 * k : 1] = (float)re;
        if (k > 0 && k < size / 2) {
            spectrum[2 * k + 1] = (float)im;
        }
    }
    for (size_t n = 0; n < size; n++) {
        frame[n] = NAN; /* nobody reads it any more */
    }
    return spectrum;
}
