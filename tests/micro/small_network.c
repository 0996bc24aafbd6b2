/* A network of a few lines behind network.h: the score of class k is the mean of bin k, and it
 * counts its runs. It stands where a board has the micro library, which takes C++ and is not part
 * of this project. */
#include "network.h"

#include "front_end.h"

#define FRAMES 25
#define CLASSES 3

static int8_t log_mel[FRAMES * FRONT_END_MEL_BINS], scores[CLASSES];

bool network_start(network_tensor *input, network_tensor *output) {
    const network_tensor taken = {log_mel, sizeof log_mel, 0.5f, 60};
    const network_tensor given = {scores, CLASSES, 0.5f, 60};
    *input = taken;
    *output = given;
    return true;
}

bool network_run(void) {
    for (int32_t k = 0; k < CLASSES; k++) {
        int32_t sum = 0;
        for (int32_t frame = 0; frame < FRAMES; frame++) {
            sum += log_mel[frame * FRONT_END_MEL_BINS + k * 12];
        }
        scores[k] = (int8_t)(sum / FRAMES);
    }
    return true;
}

const char *network_label(int32_t index) {
    static const char *const labels[CLASSES] = {"low", "middle", "high"};
    return labels[index];
}
