// Generated from wit/ by `npm run bindings`; never edited. Every interface that a component may import or export, with
// the types of its functions as the gate spells them.
import type { Contracts } from "../../runtime/extension/gate/types.ts";

export const CONTRACTS: Contracts = {
  "imports": {
    "symphony:types/types@0.1.0": {},
    "symphony:host/files@0.1.0": {
      "entries": "func(root:string,path:string,after:option(string),->:result(list(record(name:string,kind:enum(file,folder,link,other),size:f64)),variant(permanent:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),transient:record(fault:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),retry-after-ms:u32))))",
      "read": "func(root:string,path:string,offset:f64,length:u32,->:result(list(u8),variant(permanent:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),transient:record(fault:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),retry-after-ms:u32))))"
    },
    "symphony:host/artifacts@0.1.0": {
      "[constructor]writer": "func(media-type:string,->:own(resource writer))",
      "[method]writer.append": "func(self:borrow(resource writer),data:list(u8),->:result(_,variant(permanent:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),transient:record(fault:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),retry-after-ms:u32))))",
      "[method]writer.finish": "func(self:borrow(resource writer),->:result(record(id:string,size:f64,media-type:string),variant(permanent:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),transient:record(fault:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),retry-after-ms:u32))))",
      "read": "func(id:string,offset:f64,length:u32,->:result(list(u8),variant(permanent:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),transient:record(fault:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),retry-after-ms:u32))))"
    },
    "symphony:host/call@0.1.0": {
      "attempt": "func(->:u32)",
      "cancelled": "func(->:bool)",
      "idempotency-key": "func(->:string)",
      "remaining-ms": "func(->:u32)"
    },
    "symphony:host/log@0.1.0": {
      "write": "func(level:enum(debug,info,warn,error),message:string,->:_)"
    },
    "symphony:host/progress@0.1.0": {
      "report": "func(fraction:f64,note:string,->:_)"
    }
  },
  "exports": {
    "symphony:operator/transform@0.1.0": {
      "kind": "operator",
      "functions": {
        "process": "func(inputs:list(record(name:string,value:variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string),items:list(variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string)))))),settings:list(record(name:string,value:variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string),items:list(variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string)))))),->:result(list(record(name:string,value:variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string),items:list(variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string)))))),variant(permanent:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),transient:record(fault:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),retry-after-ms:u32))))"
      }
    },
    "symphony:instrument/inference@0.1.0": {
      "kind": "instrument",
      "functions": {
        "invoke": "func(inputs:list(record(name:string,value:variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string),items:list(variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string)))))),settings:list(record(name:string,value:variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string),items:list(variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string)))))),->:result(list(record(name:string,value:variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string),items:list(variant(null:_,boolean:bool,number:f64,text:string,json:string,bytes:record(media-type:string,data:list(u8)),artifact:record(id:string,size:f64,media-type:string)))))),variant(permanent:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),transient:record(fault:record(kind:enum(invalid-input,invalid-settings,not-found,denied,conflict,limit,unavailable,timeout,cancelled,unsupported,internal),code:string,message:string,name:option(string),details:option(string)),retry-after-ms:u32))))"
      }
    }
  }
};
