// wasi:sockets as it is for who has no right to it: everything is there, and everything is refused. A guest reaches others by HTTP, whose
// requests can be judged.
import { refuse, sealed } from "./host.ts";
import { Pollable } from "./wasi-io.ts";

const denied = (): never => refuse("access-denied");

/** What a socket can do, of which nothing may be done. */
const TCP = [
  ...["startBind", "finishBind", "startConnect", "finishConnect", "startListen", "finishListen", "accept", "localAddress", "remoteAddress"],
  ...["setListenBacklogSize", "keepAliveEnabled", "setKeepAliveEnabled", "keepAliveIdleTime", "setKeepAliveIdleTime", "keepAliveInterval"],
  ...["setKeepAliveInterval", "keepAliveCount", "setKeepAliveCount", "hopLimit", "setHopLimit", "receiveBufferSize", "setReceiveBufferSize"],
  ...["sendBufferSize", "setSendBufferSize", "shutdown"],
];
const UDP = [
  ...["startBind", "finishBind", "stream", "localAddress", "remoteAddress", "unicastHopLimit", "setUnicastHopLimit", "receiveBufferSize"],
  ...["setReceiveBufferSize", "sendBufferSize", "setSendBufferSize"],
];

function resource(methods: readonly string[]): { new (): object; prototype: object } {
  class Refused {
    subscribe(): Pollable {
      return new Pollable();
    }
    addressFamily(): string {
      return "ipv4";
    }
    isListening(): boolean {
      return false;
    }
  }
  for (const name of methods) Object.defineProperty(Refused.prototype, name, { value: denied });
  return sealed(Refused);
}

export function socketImports(): Record<string, Record<string, unknown>> {
  const Network = resource([]);
  return {
    "wasi:sockets/instance-network": { instanceNetwork: () => new Network() },
    "wasi:sockets/network": { Network, networkErrorCode: () => undefined },
    "wasi:sockets/ip-name-lookup": { ResolveAddressStream: resource(["resolveNextAddress"]), resolveAddresses: denied },
    "wasi:sockets/tcp": { TcpSocket: resource(TCP) },
    "wasi:sockets/tcp-create-socket": { createTcpSocket: denied },
    "wasi:sockets/udp": {
      UdpSocket: resource(UDP),
      IncomingDatagramStream: resource(["receive"]),
      OutgoingDatagramStream: resource(["checkSend", "send"]),
    },
    "wasi:sockets/udp-create-socket": { createUdpSocket: denied },
  };
}
