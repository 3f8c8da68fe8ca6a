// Ctrl-C and SIGTERM: remembered, so that loops can end in good order. A second Ctrl-C kills.
#pragma once

namespace ndcao {

void CatchInterrupts();
bool Interrupted();

}  // namespace ndcao
