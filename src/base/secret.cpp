#include "base/secret.hpp"
