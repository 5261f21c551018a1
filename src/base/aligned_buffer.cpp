#include "base/aligned_buffer.hpp"
